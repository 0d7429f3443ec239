with @funnel
