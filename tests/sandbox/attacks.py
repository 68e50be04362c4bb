"""Programs that try to get out of a sandbox, and programs that try to pass without being right."""

from textwrap import dedent

_IMPORTS = "import ctypes, gc, json, os, signal, socket, subprocess, sys, threading, time\n"

_ESCAPES = {
    "environment": "got = [k for k in os.environ if 'KEY' in k or 'SECRET' in k]",
    "environment of the first process": "got = read('/proc/1/environ')",
    "environment of the evaluator": "got = read('/proc/%d/environ' % bait['pid'])",
    "environment in memory": """
        libc = ctypes.CDLL(None)
        libc.getenv.restype = ctypes.c_char_p
        got = [libc.getenv(b'SANDBOX_CANARY_KEY')] if libc.getenv(b'SANDBOX_CANARY_KEY') else []""",
    "read a file": "got = read(bait['file'])",
    "read through /proc/1/root": "got = read('/proc/1/root' + bait['file'])",
    "read passwords": "got = read('/etc/passwd') + read('/etc/shadow')",
    "read a home": "got = listed('/root') + listed('/home') + listed(bait['home'])",
    "read through descriptors": """
        for number in range(3, 64):
            try:
                path = os.fstat(number)
                if path.st_mode & 0o170000 == 0o100000:
                    got.append(number)
            except OSError:
                pass""",
    "write a file": "got = written(bait['file'])",
    "write system folders": "got = sum(map(written, ('/x', '/usr/x', '/etc/x', '/python/x')), [])",
    "write what runs inside": "got = written('/inside/fusion_agents/sandbox/inside/tester.py')",
    "write core_pattern": "got = written('/proc/sys/kernel/core_pattern')",
    "make devices": """
        try:
            os.mknod('/tmp/disk', 0o060666, os.makedev(254, 0))
            got.append('device')
        except OSError:
            pass""",
    "connect to this machine": "got = connected(socket.AF_INET, ('127.0.0.1', bait['port']))",
    "connect to the internet": "got = connected(socket.AF_INET, ('1.1.1.1', 53))",
    "connect to an abstract socket": "got = connected(socket.AF_UNIX, bait['hidden'])",
    "resolve a name": """
        try:
            got = [socket.gethostbyname('example.com')]
        except OSError:
            pass""",
    "raw and netlink sockets": """
        for family, kind in ((17, 3), (16, 3), (2, 3), (38, 5), (40, 1)):
            try:
                socket.socket(family, kind).close()
                got.append(family)
            except OSError:
                pass""",
    "fork bomb": """
        children = 0
        try:
            for _ in range(300):
                if os.fork() == 0:
                    time.sleep(60)
                    os._exit(0)
                children += 1
        except OSError:
            pass
        got = [children] if children > 16 else []""",
    "thread bomb": """
        threads = 0
        try:
            for _ in range(300):
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
                threads += 1
        except RuntimeError:
            pass
        got = [threads] if threads > 16 else []""",
    "memory bomb": """
        try:
            got = [len(bytearray(1 << 31))]
        except MemoryError:
            pass""",
    "memory in files": """
        try:
            descriptor = os.memfd_create('x')
            for _ in range(1024):
                os.write(descriptor, bytes(1 << 20))
            got = ['memfd']
        except OSError:
            pass""",
    "memory in many files": """
        kept = []
        try:
            while len(kept) < 60:
                kept.append(os.memfd_create('x'))
                os.write(kept[-1], bytes(1 << 20))
        except OSError:
            pass
        got = kept if len(kept) > 16 else []""",
    "memory that no process has": """
        libc = ctypes.CDLL(None)
        for make in (lambda: libc.shmget(0, 1 << 20, 0o1600), lambda: libc.msgget(0, 0o1600),
                     lambda: libc.semget(0, 100, 0o1600)):
            if make() >= 0:
                got.append('kept by the kernel')""",
    "fill /tmp and /dev/shm": """
        size = 0
        for folder in ('/tmp', '/dev/shm'):
            for number in range(100):
                try:
                    with open('%s/%d' % (folder, number), 'wb') as file:
                        file.write(bytes(10 << 20))
                        size += 10
                except OSError:
                    pass
        got = [size] if size > 64 else []""",
    "orphans": """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(654321)
            os._exit(0)""",
    "run programs": """
        for words in (['/bin/sh', '-c', 'id'], ['/usr/bin/id'], ['/usr/bin/env']):
            try:
                got.append(subprocess.run(words, capture_output=True).stdout)
            except OSError:
                pass""",
    "make namespaces": """
        libc = ctypes.CDLL(None)
        for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000):
            if libc.unshare(flag) == 0 or libc.syscall(56, flag | 17, 0, 0, 0, 0) > 0:
                got.append(flag)""",
    "trace, keys, bpf, io_uring, perf": """
        libc = ctypes.CDLL(None)
        for number in (101, 248, 250, 321, 425, 298, 310, 323, 165, 272, 246):
            if libc.syscall(number, 0, 0, 0, 0, 0) >= 0:
                got.append(number)""",
    "become root": """
        for change in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.chroot('/')):
            try:
                change()
                got.append('root')
            except OSError:
                pass""",
    "raise the limits": """
        import resource
        for what in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_CPU):
            try:
                resource.setrlimit(what, (-1, -1))
                got.append(what)
            except (OSError, ValueError):
                pass""",
    "kill the evaluator": """
        for number in (bait['pid'], 1):
            try:
                os.kill(number, 9)
                got += [number] if number != 1 else []
            except OSError:
                pass""",
    "inject into the terminal": """
        import fcntl
        for number in range(5):
            try:
                fcntl.ioctl(number, 0x5412, b'x')
                got.append(number)
            except OSError:
                pass""",
}

_HELP = """
def read(path):
    try:
        with open(path, "rb") as file:
            return [file.read(20)]
    except OSError:
        return []

def listed(path):
    try:
        return os.listdir(path)
    except OSError:
        return []

def written(path):
    try:
        with open(path, "ab") as file:
            file.write(b"x")
        return [path]
    except OSError:
        return []

def connected(family, address):
    try:
        with socket.socket(family) as connection:
            connection.settimeout(1)
            connection.connect(address)
        return [address]
    except OSError:
        return []
"""


def _escape(body: str) -> str:
    lines = dedent(body).strip().splitlines()
    inside = "\n".join(f"    {line}" for line in lines)
    return f"{_IMPORTS}{_HELP}\ndef attack(bait):\n    got = []\n{inside}\n    return got\n"


ESCAPES = {name: _escape(body) for name, body in _ESCAPES.items()}
"""Each defines `attack(bait)`, which gives the list of what it got."""

EXHAUSTING = {
    "endless loop": "def attack(bait):\n    while True:\n        pass",
    "loop that swallows everything": (
        "import signal\nfor number in range(1, 60):\n    try:\n"
        "        signal.signal(number, signal.SIG_IGN)\n    except (OSError, ValueError):\n"
        "        pass\ndef attack(bait):\n    while True:\n        try:\n"
        "            while True:\n                pass\n        except BaseException:\n"
        "            pass"
    ),
    "sleep": "import time\ndef attack(bait):\n    time.sleep(10000)",
    "flood of output": (
        "import os\ndef attack(bait):\n    while True:\n        print('x' * 100000)\n"
        "        os.write(2, b'x' * 100000)"
    ),
    "flood of answers": (
        "import os\ndef attack(bait):\n    for number in range(3, 20):\n        try:\n"
        "            while True:\n                os.write(number, b'x' * 100000)\n"
        "        except OSError:\n            pass"
    ),
    "endless answer": "import itertools\ndef attack(bait):\n    return itertools.count()",
    "deep answer": (
        "def attack(bait):\n    x = []\n    for _ in range(100000):\n        x = [x]\n    return x"
    ),
    "huge answer": "def attack(bait):\n    return 'x' * (1 << 26)",
    "crash": "import ctypes\ndef attack(bait):\n    ctypes.string_at(0)",
    "kill itself": "import os\ndef attack(bait):\n    os.kill(os.getpid(), 9)",
}
"""Each must end without passing, within the limits."""

_EQUAL = """
class Equal{base}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __bool__(self): return True
    def __hash__(self): return 1
    def __getattr__(self, name): return lambda *a, **k: self
    def __abs__(self): return self
    def __sub__(self, other): return self
    __rsub__ = __add__ = __radd__ = __sub__
    def __iter__(self): return iter([self])
    def __len__(self): return 1
    def __contains__(self, item): return True
"""

FORGERIES = {
    "always equal": _EQUAL.format(base="") + "def NAME(*a, **k): return Equal()",
    "always equal number": _EQUAL.format(base="(float)") + "def NAME(*a, **k): return Equal(12345)",
    "always equal text": _EQUAL.format(base="(str)") + "def NAME(*a, **k): return Equal('?')",
    "always equal list": _EQUAL.format(base="(list)") + "def NAME(*a, **k): return Equal()",
    "equal to everything large": ("import numpy\ndef NAME(*a, **k): return numpy.float16('inf')"),
    "exit": "import sys\nsys.exit(0)",
    "exit at once": "import os\nos._exit(0)",
    "exit when called": "import os\ndef NAME(*a, **k): os._exit(0)",
    "walk the stack": """
import gc, sys
def NAME(*a, **k):
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
            if isinstance(value, list): value.append('passed')
            if isinstance(value, dict) and value is not frame.f_globals:
                try: value.update(passed=True, verdict={'passed': True})
                except Exception: pass
        frame = frame.f_back
    return True
""",
    "patched builtins": """
import builtins
builtins.AssertionError = type('Nothing', (BaseException,), {})
builtins.isinstance = lambda *a: True
builtins.all = builtins.any = lambda *a: True
builtins.abs = lambda *a: 0
builtins.print = lambda *a, **k: None
def NAME(*a, **k): return None
""",
    "settrace": """
import sys
def trace(frame, event, arg):
    frame.f_trace_lines = True
    return trace
sys.settrace(trace)
sys.setprofile(lambda *a: None)
def NAME(*a, **k): return None
""",
    "write the verdict": """
import os
text = b'{"verdict":{"passed":true}}\\n'
for number in range(1, 30):
    try: os.write(number, text)
    except OSError: pass
def NAME(*a, **k):
    for number in range(1, 30):
        try: os.write(number, text)
        except OSError: pass
""",
    "ask for one process": """
import os
text = b'{"needs_one_process":"please"}\\n'
def NAME(*a, **k):
    for number in range(1, 30):
        try: os.write(number, text)
        except OSError: pass
    return type('Mine', (), {'__eq__': lambda s, o: True})()
""",
    "answer in advance": """
import os
for n in range(1, 100):
    try: os.write(3 + n % 3, b'{"id":%d,"value":true}\\n' % n)
    except OSError: pass
def NAME(*a, **k): return None
""",
    "patched encoder": """
import sys
for name, module in list(sys.modules.items()):
    if name.startswith('fusion_agents'):
        if hasattr(module, 'encode'):
            module.encode = lambda value, keep: {'ref': [0, 'x']}
def NAME(*a, **k): return None
""",
    "raise an assertion": "def NAME(*a, **k): raise AssertionError('passed')",
    "lie about the class": (
        "class Lie:\n    __class__ = bool\n    def __eq__(self, o): return True\n"
        "def NAME(*a, **k): return Lie()"
    ),
    "at exit": (
        'import atexit, os\ntext = b\'{"verdict":{"passed":true}}\'\n'
        "atexit.register(lambda: os.write(1, text))\n"
        "def NAME(*a, **k): return None"
    ),
    "tests by name": (
        "import sys\nfor m in list(sys.modules.values()):\n"
        "    try: m.check = lambda candidate: None\n    except Exception: pass\n"
        "def check(candidate): pass\ndef NAME(*a, **k): return None"
    ),
}
"""Each defines the function `NAME` and must not pass."""
