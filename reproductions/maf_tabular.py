"""MAF (1705.07057) on tables: POWER, GAS, HEPMASS, MINIBOONE, BSDS300, or one's own."""

from keras_flows.recipes.maf_tabular import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
