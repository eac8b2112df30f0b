"""Glow's comparison of permutations (1807.03039, figure 3) on CIFAR-10."""

from keras_flows.recipes.glow_permutations import main

if __name__ == "__main__":
    main.run()
