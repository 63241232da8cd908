package runbook

// RepresentativeFacts are the facts of a made-up incident on the platform of the
// source document, for judging a runbook when there is none. Every field has a
// value of the kind it has in earnest, so that a text that comes out empty or
// ill-typed here would do so in the night.
func RepresentativeFacts(mode string) Facts {
	east := Region{
		Name: "us-east-1", Namespace: "ecommerce-prod",
		DBCluster:       "ecommerce-primary",
		DBClusterARN:    "arn:aws:rds:us-east-1:123456789012:cluster:ecommerce-primary",
		CacheGroup:      "ecommerce-cache-east",
		LoadBalancerARN: "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/ecommerce-alb/0123456789abcdef",
		Endpoint:        "https://us-east-1.api.ecommerce.com",
		TakeoverBucket:  "ecommerce-takeover-us-east-1",
		MinNodesPerZone: 2, MinZones: 3,
	}
	west := Region{
		Name: "us-west-2", Namespace: "ecommerce-prod",
		DBCluster:       "ecommerce-secondary",
		DBClusterARN:    "arn:aws:rds:us-west-2:123456789012:cluster:ecommerce-secondary",
		CacheGroup:      "ecommerce-cache-west",
		LoadBalancerARN: "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/ecommerce-alb/fedcba9876543210",
		Endpoint:        "https://us-west-2.api.ecommerce.com",
		TakeoverBucket:  "ecommerce-takeover-us-west-2",
		MinNodesPerZone: 2, MinZones: 3,
	}
	return Facts{
		Incident: "INC-2026-0042",
		Mode:     mode,
		Severity: "SEV-1",
		Reason:   "elevated 5xx in us-east-1",
		Source:   east,
		Target:   west,
		Topology: Topology{
			Platform: "E-Commerce Platform",
			Home:     east.Name,
			Regions:  map[string]Region{east.Name: east, west.Name: west},
			Services: []Service{
				{Name: "user-service", Replicas: 6, Writes: true, Health: "/api/v1/users/health"},
				{Name: "order-service", Replicas: 6, Writes: true, Health: "/api/v1/orders/health"},
				{Name: "product-service", Replicas: 4, Health: "/api/v1/products/health"},
				{Name: "payment-service", Replicas: 4, Writes: true, Health: "/api/v1/payments/health"},
				{Name: "notification-service", Replicas: 3},
			},
			Database: Database{GlobalCluster: "ecommerce-global"},
			Cache:    Cache{GlobalGroup: "ecommerce-cache"},
			DNS: DNS{
				Zone: "Z0123456789ABCDEFGHIJ", Record: "api.ecommerce.com",
				HealthCheck:   "11111111-1111-4111-8111-111111111111",
				EndpointCheck: "22222222-2222-4222-8222-222222222222",
				TakeoverCheck: "33333333-3333-4333-8333-333333333333",
				TakeoverKey:   "takeover",
				Nameservers:   []string{"ns-1.example.net:53", "ns-2.example.net:53"},
				Resolvers: []Resolver{
					{Name: "Google", Addr: "8.8.8.8:53"},
					{Name: "AWS", Addr: "169.254.169.253:53", VPCOnly: true},
				},
			},
			Probe: Probe{Public: "https://api.ecommerce.com", RegionHeader: "X-Served-By-Region", Order: "/api/v1/orders/synthetic-test"},
			Policy: Policy{
				LagWarnMS: 1000, LagConfirmMS: 5000, LagBandsMS: []int{1000, 5000, 30000},
				ObjectiveMinutes: 30, Page: true,
			},
		},
	}
}
