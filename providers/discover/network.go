package discover

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// link is what connects the networks of both Regions.
type link struct {
	id string
	// hubs: transit gateways are connected, not VPCs.
	hubs bool
	// vpcs are those that are connected, by Region; those of transit gateways are not told.
	vpcs map[string]string
}

// readLinks reads peering connections and the attachments between transit gateways that
// are in force.
func (l *look) readLinks(ctx context.Context, w *world) told[link] {
	var peerings told[ec2types.VpcPeeringConnection]
	var attachments told[ec2types.TransitGatewayPeeringAttachment]
	l.together(
		func() {
			peerings = first(w, func(r *region) told[ec2types.VpcPeeringConnection] { return l.peerings(ctx, r.name) })
		},
		func() {
			attachments = first(w, func(r *region) told[ec2types.TransitGatewayPeeringAttachment] { return l.attachments(ctx, r.name) })
		},
	)
	out := told[link]{not: peerings.not}
	if out.not == nil {
		out.not = attachments.not
	}
	for _, p := range peerings.all {
		if p.Status == nil || p.Status.Code != ec2types.VpcPeeringConnectionStateReasonCodeActive || p.RequesterVpcInfo == nil || p.AccepterVpcInfo == nil {
			continue
		}
		out.all = append(out.all, link{aws.ToString(p.VpcPeeringConnectionId), false, map[string]string{
			aws.ToString(p.RequesterVpcInfo.Region): aws.ToString(p.RequesterVpcInfo.VpcId), aws.ToString(p.AccepterVpcInfo.Region): aws.ToString(p.AccepterVpcInfo.VpcId),
		}})
	}
	for _, a := range attachments.all {
		if a.State != ec2types.TransitGatewayAttachmentStateAvailable || a.RequesterTgwInfo == nil || a.AccepterTgwInfo == nil {
			continue
		}
		out.all = append(out.all, link{aws.ToString(a.TransitGatewayAttachmentId), true, map[string]string{
			aws.ToString(a.RequesterTgwInfo.Region): "?", aws.ToString(a.AccepterTgwInfo.Region): "?",
		}})
	}
	return out
}

// vpc is that which the platform is in: that of the load balancer, or of the cluster.
func (r *region) vpc() (id, why string) {
	switch {
	case r.ours != nil && aws.ToString(r.ours.VpcId) != "":
		return aws.ToString(r.ours.VpcId), "The VPC of the load balancer."
	case r.cluster != nil && r.cluster.vpc != "":
		return r.cluster.vpc, "The VPC of the cluster " + r.cluster.Name + "."
	}
	return "", ""
}

// linked is what connects the networks: links that connect the platform's own VPCs before
// all others.
func (w *world) linked() (s *Setting, is *link) {
	var all, ours []candidate
	for _, k := range w.links.all {
		if !w.both(k.vpcs) {
			continue
		}
		c := candidate{k.id, "The one connection between VPCs of both Regions that is active."}
		if k.hubs {
			c.why = "The one attachment between transit gateways of both Regions that is available."
		}
		fits := !k.hubs
		for _, r := range w.regions {
			id, _ := r.vpc()
			fits = fits && k.vpcs[r.name] == id
		}
		if fits {
			ours = append(ours, candidate{k.id, "It connects the VPCs of the load balancers, and is active."})
		}
		all = append(all, c)
	}
	if len(ours) > 0 {
		all = ours
	}
	given := w.Given["platform.network.peering"] + w.Given["platform.network.transit_gateway_attachment"]
	not := w.links.not
	if len(all) > 0 {
		not = nil
	}
	s = choice{"what connects the VPCs, as peering: or transit_gateway_attachment: with regions, or leave network out", "", not, all, given}.made()
	if s.Value != nil {
		i := slices.IndexFunc(w.links.all, func(k link) bool { return k.id == s.Value })
		return s, &w.links.all[i]
	}
	if not == nil && len(all) == 0 {
		s = left("No active peering connection and no available attachment between transit gateways joins the two Regions.")
	}
	return s, nil
}

func (w *world) noLink(*region) *Setting {
	if s, is := w.linked(); is == nil {
		return s
	}
	return nil
}

func (w *world) peering(*region) *Setting {
	if s, is := w.linked(); is != nil && !is.hubs {
		return s
	}
	return nil
}

func (w *world) attachment(*region) *Setting {
	if s, is := w.linked(); is != nil && is.hubs {
		return s
	}
	return nil
}

func (w *world) vpc(r *region) *Setting {
	_, is := w.linked()
	if is == nil {
		return nil
	}
	if id, why := r.vpc(); is.hubs {
		if id == "" {
			return leave("the VPC of the platform in %s (neither its load balancer nor its cluster is known)", r.name)
		}
		return has(id, "%s", why)
	}
	return has(is.vpcs[r.name], "The end of the connection in %s.", r.name)
}

// ---- CloudFront ----

// distribution is one of CloudFront's: its origins' names, by id.
type distribution struct {
	id, name string
	origins  map[string]string
}

func (l *look) readDistributions(ctx context.Context) told[distribution] {
	read := l.distributions(ctx)
	out := told[distribution]{not: read.not}
	for _, d := range read.all {
		one := distribution{aws.ToString(d.Id), aws.ToString(d.DomainName), map[string]string{}}
		if d.Aliases != nil && len(d.Aliases.Items) > 0 {
			one.name = sentence(d.Aliases.Items, "and")
		}
		if d.Origins == nil {
			d.Origins = &cftypes.Origins{}
		}
		for _, o := range d.Origins.Items {
			one.origins[aws.ToString(o.Id)] = bare(aws.ToString(o.DomainName))
		}
		out.all = append(out.all, one)
	}
	return out
}

// originsIn are the ids of a distribution's origins that lead to a Region: by its own
// address, or by the name of its load balancer.
func (w *world) originsIn(d distribution, r *region) (ids []string) {
	own, _ := w.endpoint(r).Value.(string)
	_, own, _ = strings.Cut(own, "://")
	for id, host := range d.origins {
		if host != "" && (host == own || host == r.leads) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (w *world) distributed() (s *Setting, is *distribution) {
	var all []candidate
	for _, d := range w.distributions.all {
		if len(w.originsIn(d, w.regions[0])) > 0 && len(w.originsIn(d, w.regions[1])) > 0 {
			all = append(all, candidate{d.id, fmt.Sprintf("%s has an origin in both Regions.", d.name)})
		}
	}
	s = choice{"distribution: and regions: with the origin of each, or leave cloudfront out", "", w.distributions.not, all, w.Given["platform.cloudfront.distribution"]}.made()
	if s.Value != nil {
		i := slices.IndexFunc(w.distributions.all, func(d distribution) bool { return d.id == s.Value })
		return s, &w.distributions.all[i]
	}
	if w.distributions.not == nil && len(all) == 0 {
		s = left("None of %s has an origin in both Regions.", count(len(w.distributions.all), "distribution"))
	}
	return s, nil
}

func (w *world) noDistribution(*region) *Setting {
	if s, is := w.distributed(); is == nil {
		return s
	}
	return nil
}

func (w *world) distribution(*region) *Setting {
	if s, is := w.distributed(); is != nil {
		return s
	}
	return nil
}

func (w *world) origin(r *region) *Setting {
	_, is := w.distributed()
	if is == nil {
		return nil
	}
	var all []candidate
	for _, id := range w.originsIn(*is, r) {
		all = append(all, candidate{id, "It leads to " + is.origins[id] + "."})
	}
	return w.choose("platform.cloudfront.regions."+r.name+".origin", "the id of the origin in "+r.name, "", nil, all)
}
