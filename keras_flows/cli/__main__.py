"""`python -m keras_flows.cli`, where the command `keras-flows` is not installed."""

from keras_flows.cli.console import main

if __name__ == "__main__":
    main()
