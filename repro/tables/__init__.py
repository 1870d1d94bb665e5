"""Pages as markdown and their pictures: pure functions of rows, the paper's figures, costs and records."""
