package sim

import (
	"fmt"
	"sort"
)

// Check compares the world with what its scenario expects at the end: a sentence
// for each difference, none when all is as expected.
func (w *World) Check() []string {
	s := w.Snapshot()
	e := w.scn.Expect
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }

	if e.Writer != "" {
		switch m := s.writer(); {
		case s.Database.Failover != nil:
			say("the database is still %s to %s", s.Database.Failover.Status, s.Database.Failover.To)
		case m == nil || m.Region != e.Writer:
			say("the database writes in %s, expected %s", regionOr(m), e.Writer)
		}
	}
	if e.Cache != "" {
		if p := s.CachePrimary(); p != e.Cache || s.Cache.Status != "available" {
			say("the primary cache is in %s (%s), expected %s", p, s.Cache.Status, e.Cache)
		}
	}
	least := func(region, service string, hpa, ready int) {
		r := s.Regions[region]
		if h := r.HPAs[service]; h == nil || int(deref(h.Spec.MinReplicas)) < hpa {
			have := int32(0)
			if h != nil {
				have = deref(h.Spec.MinReplicas)
			}
			say("the autoscaler of %s in %s has a minimum of %d, expected %d", service, region, have, hpa)
		} else if int(h.Spec.MaxReplicas) < hpa {
			say("the autoscaler of %s in %s has a maximum of %d, below %d", service, region, h.Spec.MaxReplicas, hpa)
		}
		if n, _ := s.readyPods(r, service); n < ready {
			say("%s has %d ready pods in %s, expected %d", service, n, region, ready)
		}
	}
	if e.Scaled != "" {
		for _, svc := range services {
			n := svc.topology.Replicas
			least(e.Scaled, svc.topology.Name, n, n)
		}
	}
	for _, name := range sortedKeys(e.HPAMin) {
		least(w.scn.Target, name, e.HPAMin[name], 0)
	}
	for _, name := range sortedKeys(e.Ready) {
		least(w.scn.Target, name, 0, e.Ready[name])
	}
	if e.Connected != "" {
		for _, svc := range services {
			ready, connected := s.readyPods(s.Regions[e.Connected], svc.topology.Name)
			if ready == 0 || connected < ready {
				say("%d of %d pods of %s in %s hold connections to the present writer, expected all", connected, ready, svc.topology.Name, e.Connected)
			}
		}
	}
	if e.Fenced != "" {
		for _, svc := range services {
			d := s.Regions[e.Fenced].Deployments[svc.topology.Name]
			if svc.topology.Writes && d != nil && *d.Spec.Replicas != 0 {
				say("%s still runs in %s with %d replicas, expected none: it writes", svc.topology.Name, e.Fenced, *d.Spec.Replicas)
			}
		}
	}
	if e.DNS != "" {
		if at := s.resolve(recordName); at != e.DNS {
			say("the zone answers %s for %s, expected %s", at, recordName, e.DNS)
		}
	}
	if e.NoTakeover != "" {
		if _, ok := s.Regions[e.NoTakeover].Buckets[bucketName(e.NoTakeover)][takeoverKey]; ok {
			say("the takeover object is in %s, expected none", bucketName(e.NoTakeover))
		}
	}
	if e.Takeover != "" {
		if _, ok := s.Regions[e.Takeover].Buckets[bucketName(e.Takeover)][takeoverKey]; !ok {
			say("the takeover object is not in %s", bucketName(e.Takeover))
		}
	}
	if h := e.HealthCheck; h != nil {
		if c := s.DNS.Checks[checkPrimary]; c.Disabled != h.Disabled || c.Inverted != h.Inverted {
			say("the primary's health check has disabled %t and inverted %t, expected %t and %t", c.Disabled, c.Inverted, h.Disabled, h.Inverted)
		}
	}
	if e.SmokeOrder != "" && !s.ordered(e.SmokeOrder, viaOwn) {
		say("no order was written through the own address of %s since its database accepts writes", e.SmokeOrder)
	}
	if e.SyntheticOrder != "" {
		if !s.ordered(e.SyntheticOrder, viaPublic) {
			say("no order was written in %s through %s since its database accepts writes", e.SyntheticOrder, recordName)
		}
		if why := s.CannotOrder(e.SyntheticOrder); why != "" {
			say("an order in %s would fail: %s", e.SyntheticOrder, why)
		}
	}
	return out
}

func (s *State) ordered(region, via string) bool {
	i := sort.Search(len(s.Orders), func(i int) bool { return !s.Orders[i].At.Before(s.Database.WritableSince) })
	for _, o := range s.Orders[i:] {
		if o.Region == region && o.Via == via {
			return true
		}
	}
	return false
}

func regionOr(m *DBMember) string {
	if m == nil {
		return "no Region"
	}
	return m.Region
}
