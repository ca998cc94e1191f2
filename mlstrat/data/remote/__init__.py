"""Bars from elsewhere: exchanges through ccxt, and Yahoo through yfinance."""
