"""Neural spline flows (1906.04032) on tables: MAF's five, or your own."""

from keras_flows.recipes.nsf_tabular import main

if __name__ == "__main__":
    main.run()
