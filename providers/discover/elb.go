package discover

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// readBalancer finds the load balancer behind a Region's record, and reads what belongs to
// it.
func (l *look) readBalancer(ctx context.Context, r *region) {
	i := slices.IndexFunc(r.balancers.all, func(b elbtypes.LoadBalancer) bool { return r.leads != "" && bare(aws.ToString(b.DNSName)) == r.leads })
	if i < 0 {
		return
	}
	r.ours = &r.balancers.all[i]
	arn := aws.ToString(r.ours.LoadBalancerArn)
	l.together(
		func() { r.groups = l.groups(ctx, r.name, arn) },
		func() { r.acl = l.webACL(ctx, r.name, arn) },
		func() {
			r.listeners = l.listeners(ctx, r.name, arn)
			for _, one := range r.listeners.all {
				for _, c := range one.Certificates {
					is := l.certificate(ctx, r.name, aws.ToString(c.CertificateArn))
					r.certificates.all = append(r.certificates.all, is.all...)
				}
			}
		},
	)
}

func (w *world) balancer(r *region) *Setting {
	what := "the ARN of the Application Load Balancer in " + r.name
	switch {
	case r.ours != nil && r.ours.Type != elbtypes.LoadBalancerTypeEnumApplication:
		return leave("%s (the record leads to %s, which is of type %s)", what, aws.ToString(r.ours.LoadBalancerName), r.ours.Type).gone()
	case r.ours != nil:
		return has(aws.ToString(r.ours.LoadBalancerArn), "The record leads to %s. %s", aws.ToString(r.ours.LoadBalancerName), r.behind())
	case r.balancers.not != nil:
		return leave("%s (%s)", what, r.balancers.not.brief())
	}
	var all []string
	for _, b := range r.balancers.all {
		if b.Type == elbtypes.LoadBalancerTypeEnumApplication {
			all = append(all, aws.ToString(b.LoadBalancerArn))
		}
	}
	s := leave("%s%s", what, w.dns.why())
	if r.leads != "" {
		s = leave("%s (the record leads to %s, which is none of %s there)", what, r.leads, count(len(r.balancers.all), "load balancer")).gone()
	}
	if len(all) > 0 {
		return s.because("There %s.", map[bool]string{true: "is " + all[0], false: "are " + sentence(all, "and")}[len(all) == 1])
	}
	return s
}

// behind is what belongs to the load balancer, which no setting names: it is found by it.
func (r *region) behind() string {
	var groups []string
	for _, g := range r.groups.all {
		groups = append(groups, aws.ToString(g.TargetGroupName))
	}
	said := func(what string, not *Unread, all []string) string {
		if not != nil {
			return fmt.Sprintf("%s: %s.", what, not.brief())
		}
		return fmt.Sprintf("%s: %s.", what, sentence(slices.Compact(slices.Sorted(slices.Values(all))), "and"))
	}
	acl := slices.DeleteFunc(slices.Clone(r.acl.all), func(name string) bool { return name == "" })
	return strings.Join([]string{
		said("Target groups", r.groups.not, groups), said("Certificates", r.listeners.not, r.certificates.all), said("Web ACL", r.acl.not, acl),
	}, " ")
}

// scheme is what users speak with a Region's load balancer; empty where that is not known.
func (r *region) scheme() string {
	var plain bool
	for _, l := range r.listeners.all {
		if l.Protocol == elbtypes.ProtocolEnumHttps {
			return "https"
		}
		plain = plain || l.Protocol == elbtypes.ProtocolEnumHttp
	}
	if plain {
		return "http"
	}
	return ""
}

// address is a host's with the scheme of a Region's load balancer.
func (r *region) address(what, host, why string) *Setting {
	if scheme := r.scheme(); scheme != "" {
		return has(scheme+"://"+host, "%s It listens for %s.", why, strings.ToUpper(scheme))
	}
	reason := "no load balancer of its record is known"
	if r.listeners.not != nil {
		reason = r.listeners.not.brief()
	} else if r.ours != nil {
		reason = "its load balancer listens for neither"
	}
	return leave("%s, https://%s or http://%s (%s)", what, host, host, reason)
}

func (w *world) public(*region) *Setting {
	r := w.dns.primary
	if r == nil {
		r = &region{}
	}
	return r.address("the address that users use", w.dns.name, "The public name.")
}

// endpoint is the name that leads to a Region's load balancer whatever becomes of the
// public one. Of several it is the one that the Region's endpoint check looks at.
func (w *world) endpoint(r *region) *Setting {
	what := "this Region's own address, scheme and host, never the public name"
	if r.leads == "" {
		return leave("%s%s", what, w.dns.why())
	}
	found := map[string]bool{}
	for _, s := range w.dns.records.all {
		name := bare(aws.ToString(s.Name))
		if leads(s) == r.leads && s.Failover == "" && name != w.dns.name && !strings.Contains(name, `\052`) && slices.Contains([]r53types.RRType{r53types.RRTypeA, r53types.RRTypeAaaa, r53types.RRTypeCname}, s.Type) {
			found[name] = true
		}
	}
	hosts := slices.Sorted(maps.Keys(found))
	looked := ""
	if c := w.checkOf(r); c != nil && len(c.endpoints) == 1 && found[c.endpoints[0].host] {
		looked = c.endpoints[0].host
	}
	switch given := strings.TrimPrefix(strings.TrimPrefix(w.Given["platform.regions."+r.name+".endpoint"], "https://"), "http://"); {
	case len(hosts) == 0:
		return leave("%s (no other name of the zone leads to %s)", what, r.leads).gone()
	case len(hosts) == 1:
		return r.address(what, hosts[0], "The other name that leads to this Region's load balancer.")
	case looked != "":
		others := slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return h == looked })
		return r.address(what, looked, fmt.Sprintf("The endpoint check looks at it. To the same load balancer there also leads %s.", sentence(others, "and")))
	case found[given]:
		return r.address(what, given, "As the settings have it.")
	}
	return leave("%s: that of %s", what, sentence(hosts, "or")).gone().because("%d names lead to this Region's load balancer.", len(hosts))
}
