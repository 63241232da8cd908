package runbook

import "github.com/failoverbot/failoverbot/incident"

// RepresentativeFacts are the facts of a made-up incident on the platform of the
// source document, for judging a runbook when there is none. Every field has a
// value of the kind it has in earnest, so that a text that comes out empty or
// ill-typed here would do so in the night. What each system knows is the example
// of its part; see [Catalog.Parts].
func RepresentativeFacts(mode string, parts ...Part) Facts {
	east := Region{Name: "us-east-1", Endpoint: "https://us-east-1.api.ecommerce.com"}
	west := Region{Name: "us-west-2", Endpoint: "https://us-west-2.api.ecommerce.com"}
	f := Facts{
		Incident: "INC-2026-0042",
		Mode:     mode,
		Severity: "SEV-1",
		Reason:   "elevated 5xx in us-east-1",
		Source:   east,
		Target:   west,
		Topology: Topology{
			Platform: "E-Commerce Platform",
			Home:     east.Name,
			Record:   "api.ecommerce.com",
			Regions:  map[string]Region{east.Name: east, west.Name: west},
			Services: []Service{
				{Name: "user-service", Replicas: 6, Standby: 2, Needed: true, Writes: true, Health: "/api/v1/users/health"},
				{Name: "order-service", Replicas: 6, Standby: 2, Needed: true, Writes: true, Health: "/api/v1/orders/health"},
				{Name: "product-service", Replicas: 4, Standby: 2, Needed: true, Health: "/api/v1/products/health"},
				{Name: "payment-service", Replicas: 4, Standby: 2, Needed: true, Writes: true, Health: "/api/v1/payments/health"},
				{Name: "notification-service", Replicas: 3, Standby: 1},
			},
			Policy: Policy{
				LagWarnMS: 1000, LagConfirmMS: 5000, LagBandsMS: []int{1000, 5000, 30000},
				ObjectiveMinutes: 30, Page: true,
			},
		},
	}
	for _, p := range parts {
		if err := p.Freeze(&f.Topology, p.Example); err != nil {
			panic(err) // an example is a constant of the program
		}
	}
	return f
}

// Back are the facts of the failback that follows a failover of these.
func (f Facts) Back() Facts {
	f.Kind, f.Mode = incident.Failback, "planned"
	f.Source, f.Target = f.Target, f.Source
	return f
}

// Detaching are the facts of an unplanned failover of these whose database is detached.
func (f Facts) Detaching() Facts {
	f.Mode, f.Detach = "unplanned", true
	return f
}

// Fleeing are the facts of an unplanned failover of these the other way, once the Region that
// has taken over is lost.
func (f Facts) Fleeing() Facts {
	f.Mode = "unplanned"
	f.Source, f.Target = f.Target, f.Source
	return f
}

// Restoring are the facts of a run that restores a backup of the Region of these that is
// left.
func (f Facts) Restoring() Facts {
	f.Kind, f.Mode = incident.RestoreBackup, "planned"
	return f
}

// Servers are the facts of a run that moves the servers of the Region of these that took over
// back to the one that was left.
func (f Facts) Servers() Facts {
	f = f.Back()
	f.Kind = incident.MoveServers
	return f
}

// Rebuilding are the facts of a run that makes a standby anew in the Region of these that was
// left, after a detach.
func (f Facts) Rebuilding() Facts {
	f = f.Back()
	f.Kind = incident.RebuildStandby
	return f
}
