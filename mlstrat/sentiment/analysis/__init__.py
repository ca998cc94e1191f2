"""The answer to "how is the mood about this symbol": news, social media, both together, and what to do."""
