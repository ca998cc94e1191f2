"""What TradingView did with an exported script, read from its list of trades and compared with the run."""
