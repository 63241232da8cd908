package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbt "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// targetsHealthy is how many targets of the Region's load balancer are healthy.
// The targets are the nodes, behind which the ingress serves every service.
func (s *State) targetsHealthy(r *Region) int {
	if r.TargetsBroken || slices.ContainsFunc(r.Balancer.Groups, func(g TargetGroup) bool { return g.Empty }) {
		return 0 // an empty group makes all of it unhealthy
	}
	n := 0
	for _, node := range r.Nodes {
		if node.Ready {
			n++
		}
	}
	return n
}

// Balancer is a Region's load balancer, apart from its listeners.
type Balancer struct {
	// State as AWS calls it; empty is active.
	State  string        `json:"state,omitempty"`
	Groups []TargetGroup `json:"groups"`
	// Reserved are the capacity units that were asked for; Provided is what became of
	// that, empty once AWS has them ready.
	Reserved int32  `json:"reserved,omitempty"`
	Provided string `json:"provided,omitempty"`
}

// TargetGroup is one of its target groups. All of the cluster's nodes are its targets.
type TargetGroup struct {
	Name string `json:"name"`
	// Empty groups have no target.
	Empty bool `json:"empty,omitempty"`
}

func beginBalancer() Balancer { return Balancer{Groups: []TargetGroup{{Name: "ecommerce-ingress"}}} }

// group is the target group of an ARN.
func (r *Region) group(arn string) *TargetGroup {
	for i, g := range r.Balancer.Groups {
		if targetGroupARN(r.Name, g.Name) == arn {
			return &r.Balancer.Groups[i]
		}
	}
	return nil
}

// Listener is one port on which a Region's load balancer takes connections.
type Listener struct {
	Protocol string `json:"protocol"` // HTTP, HTTPS
	Port     int32  `json:"port"`
	// Certificates of an HTTPS listener, by ARN; the first is its default.
	Certificates []string `json:"certificates,omitempty"`
}

func beginListeners(region string) []Listener {
	return []Listener{{Protocol: "HTTP", Port: 80}, {Protocol: "HTTPS", Port: 443, Certificates: []string{certificateARN(region)}}}
}

// certificateARN is the certificate that a Region's load balancer has from the start.
func certificateARN(region string) string {
	return fmt.Sprintf("arn:aws:acm:%s:%s:certificate/%s", region, account, uidOf("certificate", region))
}

var elbAPI = awsAPI{
	system: "aws.elasticloadbalancing",
	operations: map[string]operation{
		"DescribeLoadBalancers": reads(describeLoadBalancers),
		"DescribeTargetGroups":  reads(describeTargetGroups),
		"DescribeTargetHealth":  reads(describeTargetHealth),

		"RegisterTargets":   changes(registerTargets).lostAs(Hang),
		"DeregisterTargets": changes(deregisterTargets).lostAs(Hang),

		"DescribeCapacityReservation": reads(describeCapacityReservation),

		"DescribeListeners":            reads(describeListeners),
		"DescribeListenerCertificates": reads(describeListenerCertificates),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *elb.DescribeTargetHealthInput:
			return deref(in.TargetGroupArn)
		case *elb.RegisterTargetsInput:
			return deref(in.TargetGroupArn)
		case *elb.DeregisterTargetsInput:
			return deref(in.TargetGroupArn)
		case *elb.DescribeTargetGroupsInput:
			return deref(in.LoadBalancerArn)
		case *elb.DescribeListenersInput:
			return deref(in.LoadBalancerArn)
		case *elb.DescribeCapacityReservationInput:
			return deref(in.LoadBalancerArn)
		case *elb.DescribeListenerCertificatesInput:
			return deref(in.ListenerArn)
		}
		return ""
	},
}

func describeLoadBalancers(r request, in *elb.DescribeLoadBalancersInput) (*elb.DescribeLoadBalancersOutput, error) {
	arn, name := albARN(r.region), "ecommerce-alb-"+r.region
	for _, want := range in.LoadBalancerArns {
		if want != arn {
			return nil, &elbt.LoadBalancerNotFoundException{Message: ptr("One or more load balancers not found")}
		}
	}
	for _, want := range in.Names {
		if want != name {
			return nil, &elbt.LoadBalancerNotFoundException{Message: ptr("Load balancers '[" + want + "]' not found")}
		}
	}
	state := elbt.LoadBalancerStateEnum(cmp.Or(r.Regions[r.region].Balancer.State, string(elbt.LoadBalancerStateEnumActive)))
	lb := elbt.LoadBalancer{
		LoadBalancerArn: ptr(arn), LoadBalancerName: ptr(name), DNSName: ptr(albName(r.region)), CanonicalHostedZoneId: ptr(albZone[r.region]),
		State: &elbt.LoadBalancerState{Code: state}, Type: elbt.LoadBalancerTypeEnumApplication,
		Scheme: elbt.LoadBalancerSchemeEnumInternetFacing, IpAddressType: elbt.IpAddressTypeIpv4,
		CreatedTime: ptr(r.Start.Add(-30 * 24 * time.Hour)), VpcId: ptr(vpcID(r.region)),
	}
	if r.Regions[r.region].DualStack {
		lb.IpAddressType = elbt.IpAddressTypeDualstack
	}
	return &elb.DescribeLoadBalancersOutput{LoadBalancers: []elbt.LoadBalancer{lb}}, nil
}

func describeTargetGroups(r request, in *elb.DescribeTargetGroupsInput) (*elb.DescribeTargetGroupsOutput, error) {
	if in.LoadBalancerArn != nil && *in.LoadBalancerArn != albARN(r.region) {
		return nil, &elbt.LoadBalancerNotFoundException{Message: ptr("Load balancer '" + *in.LoadBalancerArn + "' not found")}
	}
	region, out := r.Regions[r.region], &elb.DescribeTargetGroupsOutput{}
	for _, g := range region.Balancer.Groups {
		arn := targetGroupARN(r.region, g.Name)
		if len(in.TargetGroupArns) > 0 && !slices.Contains(in.TargetGroupArns, arn) || len(in.Names) > 0 && !slices.Contains(in.Names, g.Name) {
			continue
		}
		out.TargetGroups = append(out.TargetGroups, elbt.TargetGroup{
			TargetGroupArn: ptr(arn), TargetGroupName: ptr(g.Name), LoadBalancerArns: []string{albARN(r.region)},
			TargetType: elbt.TargetTypeEnumInstance, Port: ptr(int32(30080)), Protocol: elbt.ProtocolEnumHttp, HealthCheckEnabled: ptr(true),
			HealthCheckPath: ptr("/healthz"), HealthCheckPort: ptr("traffic-port"), HealthCheckProtocol: elbt.ProtocolEnumHttp, VpcId: ptr(vpcID(r.region)),
		})
	}
	if in.LoadBalancerArn == nil {
		for _, name := range r.ledBy(r.region) {
			if arn := targetGroupARN(r.region, name); (len(in.TargetGroupArns) == 0 || slices.Contains(in.TargetGroupArns, arn)) && (len(in.Names) == 0 || slices.Contains(in.Names, name)) {
				out.TargetGroups = append(out.TargetGroups, serverGroup(r.region, name))
			}
		}
	}
	if len(out.TargetGroups) < max(len(in.TargetGroupArns), len(in.Names)) {
		return nil, &elbt.TargetGroupNotFoundException{Message: ptr("One or more target groups not found")}
	}
	return out, nil
}

// describeCapacityReservation tells nothing of a load balancer for which none was asked.
func describeCapacityReservation(r request, in *elb.DescribeCapacityReservationInput) (*elb.DescribeCapacityReservationOutput, error) {
	if deref(in.LoadBalancerArn) != albARN(r.region) {
		return nil, &elbt.LoadBalancerNotFoundException{Message: ptr("Load balancer '" + deref(in.LoadBalancerArn) + "' not found")}
	}
	out, has := &elb.DescribeCapacityReservationOutput{}, r.Regions[r.region].Balancer
	if has.Reserved == 0 {
		return out, nil
	}
	out.MinimumLoadBalancerCapacity = &elbt.MinimumLoadBalancerCapacity{CapacityUnits: ptr(has.Reserved)}
	for _, zone := range []string{"a", "b", "c"} {
		z := elbt.ZonalCapacityReservationState{
			AvailabilityZone: ptr(r.region + zone), EffectiveCapacityUnits: ptr(float64(has.Reserved) / 3),
			State: &elbt.CapacityReservationStatus{Code: elbt.CapacityReservationStateEnumProvisioned},
		}
		if has.Provided != "" {
			z.EffectiveCapacityUnits, z.State = nil, &elbt.CapacityReservationStatus{Code: elbt.CapacityReservationStateEnum(has.Provided), Reason: ptr("Insufficient capacity")}
		}
		out.CapacityReservationState = append(out.CapacityReservationState, z)
	}
	return out, nil
}

func describeTargetHealth(r request, in *elb.DescribeTargetHealthInput) (*elb.DescribeTargetHealthOutput, error) {
	region := r.Regions[r.region]
	if out, ok := r.serverHealth(deref(in.TargetGroupArn)); ok {
		return out, nil
	}
	group := region.group(deref(in.TargetGroupArn))
	if group == nil {
		return nil, &elbt.TargetGroupNotFoundException{Message: ptr("Target group '" + deref(in.TargetGroupArn) + "' not found")}
	}
	out := &elb.DescribeTargetHealthOutput{}
	if group.Empty {
		return out, nil
	}
	for _, n := range region.Nodes {
		h := &elbt.TargetHealth{State: elbt.TargetHealthStateEnumHealthy}
		if region.TargetsBroken || !n.Ready {
			h = &elbt.TargetHealth{State: elbt.TargetHealthStateEnumUnhealthy, Reason: elbt.TargetHealthReasonEnumTimeout, Description: ptr("Request timed out")}
		}
		out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, elbt.TargetHealthDescription{
			Target:          &elbt.TargetDescription{Id: ptr(fmt.Sprintf("i-%017x", draw(0, 1<<60, n.Name))), Port: ptr(int32(30080)), AvailabilityZone: ptr(n.Zone)},
			HealthCheckPort: ptr("30080"), TargetHealth: h,
		})
	}
	return out, nil
}

func listenerARN(region string, port int32) string {
	return fmt.Sprintf("%s/%016x", strings.Replace(albARN(region), ":loadbalancer/", ":listener/", 1), draw(0, 1<<60, "listener", region, port))
}

// describeListeners tells of each listener's certificates the default one only, as
// the real one does.
func describeListeners(r request, in *elb.DescribeListenersInput) (*elb.DescribeListenersOutput, error) {
	if in.LoadBalancerArn != nil && *in.LoadBalancerArn != albARN(r.region) {
		return nil, &elbt.LoadBalancerNotFoundException{Message: ptr("Load balancer '" + *in.LoadBalancerArn + "' not found")}
	}
	out := &elb.DescribeListenersOutput{}
	var forwards *string
	if groups := r.Regions[r.region].Balancer.Groups; len(groups) > 0 {
		forwards = ptr(targetGroupARN(r.region, groups[0].Name))
	}
	for _, l := range r.Regions[r.region].Listeners {
		arn := listenerARN(r.region, l.Port)
		if len(in.ListenerArns) > 0 && !slices.Contains(in.ListenerArns, arn) {
			continue
		}
		one := elbt.Listener{
			ListenerArn: ptr(arn), LoadBalancerArn: ptr(albARN(r.region)), Protocol: elbt.ProtocolEnum(l.Protocol), Port: ptr(l.Port),
			DefaultActions: []elbt.Action{{Type: elbt.ActionTypeEnumForward, TargetGroupArn: forwards, Order: ptr(int32(1))}},
		}
		if len(l.Certificates) > 0 {
			one.SslPolicy = ptr("ELBSecurityPolicy-TLS13-1-2-2021-06")
			one.Certificates = []elbt.Certificate{{CertificateArn: ptr(l.Certificates[0])}}
		}
		out.Listeners = append(out.Listeners, one)
	}
	if len(out.Listeners) < len(in.ListenerArns) {
		return nil, &elbt.ListenerNotFoundException{Message: ptr("One or more listeners not found")}
	}
	return out, nil
}

func describeListenerCertificates(r request, in *elb.DescribeListenerCertificatesInput) (*elb.DescribeListenerCertificatesOutput, error) {
	for _, l := range r.Regions[r.region].Listeners {
		if listenerARN(r.region, l.Port) != deref(in.ListenerArn) {
			continue
		}
		out := &elb.DescribeListenerCertificatesOutput{}
		for i, arn := range l.Certificates {
			out.Certificates = append(out.Certificates, elbt.Certificate{CertificateArn: ptr(arn), IsDefault: ptr(i == 0)})
		}
		return out, nil
	}
	return nil, &elbt.ListenerNotFoundException{Message: ptr("One or more listeners not found")}
}
