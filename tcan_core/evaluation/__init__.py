"""How good a result is: metrics against a truth, reports over pairs, differences with intervals."""
