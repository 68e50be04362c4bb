"""What runs inside a sandbox: nothing here may import the rest of the package.

The folder is mounted, read-only, where the interpreter in the sandbox looks for modules.
"""
