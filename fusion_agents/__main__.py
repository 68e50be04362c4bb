"""`python -m fusion_agents` is the command line."""

from fusion_agents.cli import main

if __name__ == "__main__":
    main()
