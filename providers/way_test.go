package providers_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/network"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// across changes each route of a Region that leads to the other one.
func across(s *sim.State, region string, f func(r *sim.Route)) {
	for _, routes := range s.Regions[region].VPC.Tables {
		for i := range routes {
			if routes[i].Via == sim.PeeringID {
				f(&routes[i])
			}
		}
	}
}

// hubs puts two transit gateways in place of the peering connection.
func hubs(s *sim.State) {
	s.Network = sim.Network{Transit: "available"}
	for region, to := range map[string]string{east: "10.32.0.0/16", west: "10.16.0.0/16"} {
		across(s, region, func(r *sim.Route) { r.Via = sim.HubID(region) })
		s.Regions[region].VPC.Hub = map[string][]sim.Route{
			"tgw-rtb-" + region: {{To: "10.99.0.0/16", Via: "tgw-attach-own"}, {To: to, Via: sim.AttachmentID}}, "tgw-rtb-other-" + region: nil,
		}
	}
}

func byHubs(t *testing.T) func(c *engine.Call) {
	return func(c *engine.Call) {
		s := partOf[network.Settings](t, c.Plan.Topology, "network")
		s.Peering, s.Transit = "", sim.AttachmentID
		if err := network.Platform.Freeze(&c.Plan.Topology, s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheWayAcrossIsJudged(t *testing.T) {
	const toEast, toWest = "route tables to us-east-1", "route tables to us-west-2"
	judge(t, "way-across", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"pcx-0pretend is active and routed both ways between us-west-2 and us-east-1; connections to 10.32.0.10:80 and 10.16.0.10:80 come about"},
			map[string]string{
				"link": sim.PeeringID, "us-west-2": "vpc-us-west-2 with 10.32.0.0/16; active", "routed in us-west-2": "rtb-private-us-west-2, rtb-public-us-west-2",
				"connection to 10.16.0.10:80": "came about",
			},
			map[string]float64{toEast: 2, toWest: 2},
		},
		{
			"it was deleted by the other side", func(s *sim.State) { s.Network.Peering = "deleted" }, incident.Fail,
			[]string{"the way between us-west-2 and us-east-1 does not work: pcx-0pretend is deleted in us-west-2, not active"},
			nil, nil,
		},
		{
			"nobody accepted it", func(s *sim.State) { s.Network.Peering = "pending-acceptance" }, incident.Fail,
			[]string{"is pending-acceptance in us-west-2, not active"},
			nil, nil,
		},
		{"no route leads there", func(s *sim.State) {
			across(s, west, func(r *sim.Route) { r.Via = "igw-us-west-2" })
		}, incident.Fail, []string{"no route table of vpc-us-west-2 in us-west-2 has a route to 10.16.0.0/16 through pcx-0pretend"}, nil, map[string]float64{toEast: 0, toWest: 2}},
		{"no route leads back", func(s *sim.State) {
			across(s, east, func(r *sim.Route) { r.To = "10.33.0.0/16" })
		}, incident.Fail, []string{"no route table of vpc-us-east-1 in us-east-1 has a route to 10.32.0.0/16 through pcx-0pretend"}, nil, map[string]float64{toEast: 2, toWest: 0}},
		{"the route is a blackhole", func(s *sim.State) {
			across(s, west, func(r *sim.Route) { r.Blackhole = true })
		}, incident.Fail, []string{"the route to 10.16.0.0/16 through pcx-0pretend in us-west-2 is a blackhole"}, nil, nil},
		{"a more specific route goes elsewhere", func(s *sim.State) {
			across(s, west, func(r *sim.Route) { r.To = "10.0.0.0/8" })
			for id, routes := range s.Regions[west].VPC.Tables {
				s.Regions[west].VPC.Tables[id] = append(routes, sim.Route{To: "10.16.0.0/15", Via: "vgw-0"})
			}
		}, incident.Fail, []string{"has a route to 10.16.0.0/16 through pcx-0pretend"}, nil, nil},
		{"a wider route is enough", func(s *sim.State) {
			across(s, west, func(r *sim.Route) { r.To = "10.0.0.0/8" })
		}, incident.Pass, nil, nil, map[string]float64{toEast: 2}},
		{"one table has it", func(s *sim.State) {
			s.Regions[west].VPC.Tables["rtb-public-us-west-2"] = nil
		}, incident.Pass, nil, map[string]string{"routed in us-west-2": "rtb-private-us-west-2"}, map[string]float64{toEast: 1}},
		{"only a part is routed", func(s *sim.State) {
			across(s, west, func(r *sim.Route) { r.To = "10.16.1.0/24" })
		}, incident.Warn, []string{"has a route to all of 10.16.0.0/16 through pcx-0pretend, only to parts of it or by a prefix list"}, nil, map[string]float64{toEast: 0}},
		{"a prefix list is routed", func(s *sim.State) {
			across(s, west, func(r *sim.Route) { r.To = "pl-0other" })
		}, incident.Warn, []string{"only to parts of it or by a prefix list"}, nil, nil},
		{"a second network of the other side is not routed", func(s *sim.State) {
			s.Regions[east].VPC.Networks = append(s.Regions[east].VPC.Networks, "100.64.0.0/16")
		}, incident.Fail, []string{"no route table of vpc-us-west-2 in us-west-2 has a route to 100.64.0.0/16"}, nil, nil},
		{"IPv6 is no matter", func(s *sim.State) {
			across(s, west, func(*sim.Route) {})
			s.Regions[west].VPC.Tables["rtb-public-us-west-2"] = append(s.Regions[west].VPC.Tables["rtb-public-us-west-2"], sim.Route{To: "2001:db8::/32", Via: "eigw-0"})
		}, incident.Pass, nil, nil, nil},
		{"the peering is not there", func(s *sim.State) { s.Network.Peering = "" }, incident.Unsure, []string{
			"describe pcx-0pretend in us-west-2", "no such thing under that name",
		}, nil, nil},
		{"the VPC has no network", func(s *sim.State) { s.Regions[west].VPC.Networks = nil }, incident.Unsure, []string{"an IPv4 network of vpc-us-west-2 does not exist"}, nil, nil},
		{
			"no connection comes about, and the bot is outside", func(s *sim.State) { s.Network.Dropped = true }, incident.Unsure,
			[]string{"is active and routed both ways", "whether a connection comes about is unknown", "the bot does not run inside a VPC and gets no connection to 10.32.0.10:80 in us-west-2", "timed out", "nc -vz"},
			nil, nil,
		},
	})
	t.Run("by transit gateways", func(t *testing.T) {
		of := func(f func(s *sim.State)) func(s *sim.State) {
			return func(s *sim.State) { hubs(s); f(s) }
		}
		judge(t, "way-across", []judged{
			{
				"it is as it should be", of(func(*sim.State) {}), incident.Pass,
				[]string{"tgw-attach-0pretend is available and routed both ways"},
				map[string]string{"us-west-2": "available"},
				map[string]float64{toEast: 2, toWest: 2},
			},
			{"it was rejected", of(func(s *sim.State) { s.Network.Transit = "rejected" }), incident.Fail, []string{"tgw-attach-0pretend is rejected in us-west-2, not available"}, nil, nil},
			{"the VPC does not route to the gateway", of(func(s *sim.State) {
				s.Regions[west].VPC.Tables = map[string][]sim.Route{"rtb-only": nil}
			}), incident.Fail, []string{"no route table of vpc-us-west-2 in us-west-2 has a route to 10.16.0.0/16 through tgw-us-west-2"}, nil, nil},
			{"the gateway does not route across", of(func(s *sim.State) {
				s.Regions[east].VPC.Hub["tgw-rtb-us-east-1"] = s.Regions[east].VPC.Hub["tgw-rtb-us-east-1"][:1]
			}), incident.Fail, []string{"no route table of tgw-us-east-1 in us-east-1 has a route to 10.32.0.0/16 through tgw-attach-0pretend"}, nil, nil},
			{"the gateway's route is a blackhole", of(func(s *sim.State) {
				s.Regions[west].VPC.Hub["tgw-rtb-us-west-2"][1].Blackhole = true
			}), incident.Fail, []string{"the route to 10.16.0.0/16 through tgw-attach-0pretend in us-west-2 is a blackhole"}, nil, nil},
			{"the attachment is not there", of(func(s *sim.State) { s.Network.Transit = "" }), incident.Unsure, []string{"describe tgw-attach-0pretend in us-west-2", "no such thing under that name"}, nil, nil},
		}, byHubs(t))
	})
}

func TestAWayThatIsNotTriedIsUnknown(t *testing.T) {
	judge(t, "way-across", []judged{
		{"no address", func(*sim.State) {}, incident.Unsure, []string{"whether a connection comes about is unknown: the settings name no address to try in us-west-2; the settings name no address to try in us-east-1", "in_vpc"}, nil, nil},
	}, func(c *engine.Call) {
		s := partOf[network.Settings](t, c.Plan.Topology, "network")
		for region, side := range s.Regions {
			side.Reach = ""
			s.Regions[region] = side
		}
		if err := network.Platform.Freeze(&c.Plan.Topology, s); err != nil {
			t.Fatal(err)
		}
	})
}

// From inside a VPC a connection that fails is an answer.
func TestFromInsideTheVPCAConnectionThatFailsIsANo(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { s.Network.Dropped = true })
	_, call := w.call(t, "way-across")
	inside := w.connections()
	inside.InVPC = true
	o, ok, err := providers.Catalog(inside)["network.across"].Look(t.Context(), call)
	if err != nil || ok || o.Measured.Verdict != incident.Fail || !strings.Contains(o.Summary, "no TCP connection to 10.16.0.10:80 in us-east-1") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	var op *net.OpError
	if _, err := w.Dial(t.Context(), "tcp", "10.16.0.10:80"); !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("dropped: %v", err)
	}
}

func TestAWayThatCannotBeSeenIsUnknown(t *testing.T) {
	blind(t, "way-across", "aws.ec2", "DescribeVpcs", "DescribeRouteTables", "DescribeVpcPeeringConnections")
	for _, operation := range []string{"DescribeTransitGatewayPeeringAttachments", "DescribeTransitGatewayRouteTables", "SearchTransitGatewayRoutes"} {
		for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Refuse, sim.Throttle, sim.Hang} {
			w := newWorld(t)
			w.change(t, hubs)
			if err := w.Fault(sim.Fault{Operation: operation, Region: east, Kind: kind}); err != nil {
				t.Fatal(err)
			}
			a, call := w.call(t, "way-across")
			byHubs(t)(&call)
			ctx, stop := w.clock.WithTimeout(t.Context(), call.Step.Timeout, errors.New("the step's time is up"))
			o, ok, err := a.Look(ctx, call)
			stop()
			if err == nil || ok || !strings.Contains(err.Error(), east) || kind == sim.Deny && !strings.Contains(err.Error(), operation) {
				t.Errorf("%s, %s: %t %q %v", operation, kind, ok, o.Summary, err)
			}
		}
	}
}

func TestWhereThereIsNoWayOrNoneIsNeededItIsNotApplicable(t *testing.T) {
	for name, c := range map[string]struct {
		change func(c *engine.Call)
		says   string
	}{
		"unplanned": {func(c *engine.Call) { c.Plan.Mode = "unplanned" }, "not applicable: an unplanned run leaves us-east-1 and needs no way to it"},
		"no way": {func(c *engine.Call) {
			if err := network.Platform.Freeze(&c.Plan.Topology, network.Settings{}); err != nil {
				t.Fatal(err)
			}
		}, "not applicable: the settings name no peering connection or transit gateway"},
	} {
		w := newWorld(t)
		a, call := w.call(t, "way-across")
		c.change(&call)
		o, ok, err := a.Look(t.Context(), call)
		if err != nil || !ok || o.Measured.Verdict != incident.NotApplicable || !strings.Contains(o.Summary, c.says) || len(w.Calls()) > 0 {
			t.Errorf("%s: %t %q %v, asked %v", name, ok, o.Summary, err, w.Calls())
		}
	}
}
