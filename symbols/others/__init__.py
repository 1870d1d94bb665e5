"""Networks of other papers, as far as the tables compare with them."""
