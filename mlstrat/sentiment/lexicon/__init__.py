"""Finance and crypto vocabulary laid over VADER's, which was made for social chatter.

Valences are ours, on VADER's scale from -4 (most negative) to 4; single words are lower case, phrases are
lower case with single spaces. VADER alone scores "soars to a record high" and "to the moon" 0.0, and takes
"shares", "interest" and "securities" for praise.

All were chosen by hand, by knowledge of the field; no other list was copied. What misleads was looked up on
the training parts of two sets of labelled headlines only: the official one of the Twitter financial news, and
the first 80 % by date of CryptoLin. The oldest words were chosen with an eye on labelled headlines of 2018 to
2022 without a record of the part, so scores on those sets flatter a little.
"""

from mlstrat.sentiment.lexicon.phrases import NEGATIONS, PHRASES, SILENT
from mlstrat.sentiment.lexicon.words import EVERYDAY_WEIGHT, NEUTRAL, WORDS

__all__ = ["EVERYDAY_WEIGHT", "NEGATIONS", "NEUTRAL", "PHRASES", "SILENT", "WORDS"]
