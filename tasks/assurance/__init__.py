"""How far a judgement can be trusted: rates with intervals, scores against labels. Statistics only."""
