"""`python -m labsfu` is `labsfu`."""

from labsfu.cli import main

if __name__ == "__main__":
    main(prog_name="labsfu")
