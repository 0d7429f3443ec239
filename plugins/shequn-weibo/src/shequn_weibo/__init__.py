"""Weibo 新浪微博 for shequn-sdk."""
