"""MAF (1705.07057) on tables: the paper's five data sets, or your own."""

from keras_flows.recipes.maf_tabular import main

if __name__ == "__main__":
    main.run()
