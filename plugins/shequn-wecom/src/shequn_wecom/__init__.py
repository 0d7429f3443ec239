"""WeChat Work 企业微信 for shequn-sdk."""
