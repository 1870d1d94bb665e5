"""How right a network is: accuracies, which regions it computes, what a precision loses, files to submit."""
