"""Which of many candidates is the right backbone for these images: a race on the train images under a budget."""
