package elb

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// reservation is the capacity that a load balancer has for certain. A load balancer that
// has served nobody is small, and grows over minutes; one with a reservation is large
// before all users arrive at once.
//
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/capacity-unit-reservation.html
type reservation struct {
	units int32
	words string
	// doubtful: it is unknown, or AWS has not provided it.
	doubtful bool
}

// reservation asks for it, and does without an answer: nothing depends on it.
func (e *ELB) reservation(ctx context.Context, t runbook.Topology, r runbook.Region) reservation {
	ctx, cancel := e.clock.WithTimeout(ctx, reservationTime, fmt.Errorf("%s did not answer within %s", r.Name, reservationTime))
	defer cancel()
	arn, err := ARN(t, r)
	if err != nil {
		return reservation{words: "its capacity reservation is unknown: " + err.Error(), doubtful: true}
	}
	out, err := e.client(r.Name).DescribeCapacityReservation(ctx, &elbv2.DescribeCapacityReservationInput{LoadBalancerArn: aws.String(arn)}, e.reading)
	if err != nil {
		return reservation{words: fmt.Sprintf("its capacity reservation is unknown: %v", awserr.SortRead(ctx, err)), doubtful: true}
	}
	has := reservation{}
	if out.MinimumLoadBalancerCapacity != nil {
		has.units = aws.ToInt32(out.MinimumLoadBalancerCapacity.CapacityUnits)
	}
	if has.units == 0 {
		has.words = "no capacity is reserved for it"
		return has
	}
	has.words = fmt.Sprintf("%s reserved", text.Count(int(has.units), "capacity unit"))
	var not []string
	for _, z := range out.CapacityReservationState {
		if z.State == nil || z.State.Code == types.CapacityReservationStateEnumProvisioned {
			continue
		}
		word := string(z.State.Code)
		if zone := aws.ToString(z.AvailabilityZone); zone != "" {
			word += " in " + zone
		}
		if why := aws.ToString(z.State.Reason); why != "" {
			word += " (" + why + ")"
		}
		not = append(not, word)
	}
	if len(not) > 0 {
		has.doubtful = true
		has.words += ", and not provided: " + strings.Join(not, ", ")
	}
	return has
}

// tell adds it to what was seen.
func (has reservation) tell(o *engine.Outcome) {
	o.Evidence["capacity_reservation"] = has.words
	o.Measured.Figures = append(o.Measured.Figures, incident.Figure{Name: "capacity reserved", Value: float64(has.units), Unit: "capacity units"})
}
