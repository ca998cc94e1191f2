"""The scorer `learned`: words, characters and a lexicon under a linear model of three classes."""
