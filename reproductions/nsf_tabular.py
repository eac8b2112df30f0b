"""Neural spline flows (1906.04032) on tables: MAF's five data sets, or one's own."""

from keras_flows.recipes.nsf_tabular import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
