"""Discord (REST v10, Gateway, interactions) for shequn-sdk."""
