package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// side is one end of the way: a Region's VPC.
type side struct {
	region, vpc string
	reach       string
	unreached   error // why no connection to it came about

	cidrs  []netip.Prefix // the VPC's own networks
	routes []table
	// via is what routes across go to: the peering connection or the Region's transit
	// gateway.
	via          string
	state, wants string // of the link as this Region tells it
	// transit are the tables of the Region's transit gateway, where there is one.
	transit []table
	hub     bool
}

// table is a route table.
type table struct {
	id     string
	routes []route
}

// route is one of its entries. A prefix list is none of the table's own networks, and is
// not read.
type route struct {
	to   netip.Prefix
	list string
	via  string
	dead bool // leads nowhere
}

// How much of a network a table carries across.
const (
	nothing = iota
	lost    // the route leads nowhere
	part    // some of it, or whatever a prefix list holds
	whole
)

// carries says how much of a network goes through via, by the route that counts: the most
// specific that covers it.
func (t table) carries(to netip.Prefix, via string) int {
	best, has := route{}, nothing
	for _, r := range t.routes {
		switch {
		case r.list != "":
			if r.via == via && !r.dead {
				has = part
			}
		case r.to.Bits() <= to.Bits() && r.to.Overlaps(to):
			if !best.to.IsValid() || r.to.Bits() > best.to.Bits() {
				best = r
			}
		case r.to.Overlaps(to) && r.via == via && !r.dead:
			has = part
		}
	}
	switch {
	case !best.to.IsValid() || best.via != via:
		return has
	case best.dead:
		return max(has, lost)
	}
	return whole
}

// carry is what is wrong and what is doubtful about the way from here to the other side,
// and which of the VPC's tables carry all of it.
func (s *side) carry(other *side, link string) (wrong, doubtful, with []string) {
	hops := []struct {
		what, via string
		tables    []table
	}{{"route table of " + s.vpc, s.via, s.routes}}
	if s.hub {
		hops = append(hops, struct {
			what, via string
			tables    []table
		}{"route table of " + s.via, link, s.transit})
	}
	for i, hop := range hops {
		carrying := map[string]int{}
		for _, to := range other.cidrs {
			best := nothing
			for _, t := range hop.tables {
				got := t.carries(to, hop.via)
				best = max(best, got)
				if got == whole {
					carrying[t.id]++
				}
			}
			switch best {
			case nothing:
				wrong = append(wrong, fmt.Sprintf("no %s in %s has a route to %s through %s", hop.what, s.region, to, hop.via))
			case lost:
				wrong = append(wrong, fmt.Sprintf("the route to %s through %s in %s is a blackhole", to, hop.via, s.region))
			case part:
				doubtful = append(doubtful, fmt.Sprintf("no %s in %s has a route to all of %s through %s, only to parts of it or by a prefix list", hop.what, s.region, to, hop.via))
			}
		}
		for _, t := range hop.tables {
			if i == 0 && len(other.cidrs) > 0 && carrying[t.id] == len(other.cidrs) {
				with = append(with, t.id)
			}
		}
	}
	return wrong, doubtful, with
}

func prefixes(all []netip.Prefix) string {
	var out []string
	for _, p := range all {
		out = append(out, p.String())
	}
	return strings.Join(out, ", ")
}

// reader reads what a side has.
type reader struct {
	client  *ec2.Client
	retried func(o *ec2.Options)
	*side
}

func (r *reader) fault(ctx context.Context, what string, err error) error {
	return fmt.Errorf("describe %s in %s: %w", what, r.region, awserr.SortRead(ctx, err))
}

// missing is the error of an answer that has not what was asked for by its id.
func (r *reader) missing(what string) error {
	return &incident.CallError{
		NeedsPerson: true, Err: fmt.Errorf("%s does not exist in %s", what, r.region),
		Hint: "compare platform.network in the settings with the account",
	}
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// networks are the VPC's own.
func (r *reader) networks(ctx context.Context) error {
	out, err := r.client.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{r.vpc}}, r.retried)
	if err != nil {
		return r.fault(ctx, r.vpc, err)
	}
	if len(out.Vpcs) != 1 {
		return r.missing(r.vpc)
	}
	for _, a := range out.Vpcs[0].CidrBlockAssociationSet {
		if a.CidrBlockState != nil && a.CidrBlockState.State != types.VpcCidrBlockStateCodeAssociated {
			continue
		}
		if p, err := netip.ParsePrefix(aws.ToString(a.CidrBlock)); err == nil {
			r.cidrs = append(r.cidrs, p)
		}
	}
	if len(r.cidrs) == 0 {
		return r.missing("an IPv4 network of " + r.vpc)
	}
	return nil
}

// tables are the route tables of the VPC.
func (r *reader) tables(ctx context.Context) error {
	in := &ec2.DescribeRouteTablesInput{Filters: []types.Filter{filter("vpc-id", r.vpc)}}
	for {
		page, err := r.client.DescribeRouteTables(ctx, in, r.retried)
		if err != nil {
			return r.fault(ctx, "the route tables of "+r.vpc, err)
		}
		for _, t := range page.RouteTables {
			one := table{id: aws.ToString(t.RouteTableId)}
			for _, has := range t.Routes {
				to, err := netip.ParsePrefix(aws.ToString(has.DestinationCidrBlock))
				list := aws.ToString(has.DestinationPrefixListId)
				if err != nil && list == "" {
					continue // IPv6
				}
				one.routes = append(one.routes, route{
					to: to, list: list, dead: has.State == types.RouteStateBlackhole,
					via: aws.ToString(has.VpcPeeringConnectionId) + aws.ToString(has.TransitGatewayId), // one of them
				})
			}
			r.routes = append(r.routes, one)
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return nil
		}
	}
}

// peering is the peering connection as this Region tells it.
func (r *reader) peering(ctx context.Context, id string) error {
	out, err := r.client.DescribeVpcPeeringConnections(ctx, &ec2.DescribeVpcPeeringConnectionsInput{VpcPeeringConnectionIds: []string{id}}, r.retried)
	if err != nil {
		return r.fault(ctx, id, err)
	}
	if len(out.VpcPeeringConnections) != 1 || out.VpcPeeringConnections[0].Status == nil {
		return r.missing(id)
	}
	r.via, r.state, r.wants = id, string(out.VpcPeeringConnections[0].Status.Code), string(types.VpcPeeringConnectionStateReasonCodeActive)
	return nil
}

// transit is the attachment between the transit gateways as this Region tells it, with the
// routes of its own gateway that lead to the attachment.
func (r *reader) transit(ctx context.Context, id string) error {
	out, err := r.client.DescribeTransitGatewayPeeringAttachments(ctx, &ec2.DescribeTransitGatewayPeeringAttachmentsInput{TransitGatewayAttachmentIds: []string{id}}, r.retried)
	if err != nil {
		return r.fault(ctx, id, err)
	}
	if len(out.TransitGatewayPeeringAttachments) != 1 {
		return r.missing(id)
	}
	has := out.TransitGatewayPeeringAttachments[0]
	r.hub, r.state, r.wants = true, string(has.State), string(types.TransitGatewayAttachmentStateAvailable)
	for _, end := range []*types.PeeringTgwInfo{has.RequesterTgwInfo, has.AccepterTgwInfo} {
		if end != nil && aws.ToString(end.Region) == r.region {
			r.via = aws.ToString(end.TransitGatewayId)
		}
	}
	if r.via == "" {
		return r.missing("an end of " + id)
	}
	in := &ec2.DescribeTransitGatewayRouteTablesInput{Filters: []types.Filter{filter("transit-gateway-id", r.via)}}
	for {
		page, err := r.client.DescribeTransitGatewayRouteTables(ctx, in, r.retried)
		if err != nil {
			return r.fault(ctx, "the route tables of "+r.via, err)
		}
		for _, t := range page.TransitGatewayRouteTables {
			one := table{id: aws.ToString(t.TransitGatewayRouteTableId)}
			if one.routes, err = r.leading(ctx, one.id, id); err != nil {
				return err
			}
			r.side.transit = append(r.side.transit, one)
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return nil
		}
	}
}

// leading are the routes of a transit gateway's table that lead to an attachment.
func (r *reader) leading(ctx context.Context, id, to string) ([]route, error) {
	in := &ec2.SearchTransitGatewayRoutesInput{
		TransitGatewayRouteTableId: aws.String(id), Filters: []types.Filter{filter("attachment.transit-gateway-attachment-id", to)},
	}
	var all []route
	for {
		out, err := r.client.SearchTransitGatewayRoutes(ctx, in, r.retried)
		if err != nil {
			return nil, r.fault(ctx, "the routes of "+id, err)
		}
		for _, has := range out.Routes {
			p, err := netip.ParsePrefix(aws.ToString(has.DestinationCidrBlock))
			list := aws.ToString(has.PrefixListId)
			if err != nil && list == "" {
				continue
			}
			if !slices.ContainsFunc(has.TransitGatewayAttachments, func(a types.TransitGatewayRouteAttachment) bool {
				return aws.ToString(a.TransitGatewayAttachmentId) == to
			}) {
				continue
			}
			all = append(all, route{to: p, list: list, via: to, dead: has.State != types.TransitGatewayRouteStateActive})
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			return all, nil
		}
	}
}
