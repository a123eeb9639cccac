"""The former name of `tools.print_calibration_target`, kept for one release."""

from tools.print_calibration_target import main

if __name__ == "__main__":
    main()
