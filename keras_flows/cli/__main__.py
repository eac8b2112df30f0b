"""`python -m keras_flows.cli`, the same as the command `keras-flows`."""

from keras_flows.cli.console import main

if __name__ == "__main__":
    main()
