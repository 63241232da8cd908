package sim

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

func TestHealthChecksAreComparedAndSet(t *testing.T) {
	s := quiet(t)
	c := route53.NewFromConfig(s.once(west))
	set := func(version int64) error {
		_, err := c.UpdateHealthCheck(s.ctx, &route53.UpdateHealthCheckInput{HealthCheckId: ptr(checkPrimary), HealthCheckVersion: ptr(version), Disabled: ptr(true), Inverted: ptr(true)})
		return err
	}
	var moved *r53.HealthCheckVersionMismatch
	if err := set(7); !errors.As(err, &moved) {
		t.Errorf("an old version: %v", err)
	}
	s.must(set(1))
	out, err := c.GetHealthCheck(s.ctx, &route53.GetHealthCheckInput{HealthCheckId: ptr(checkPrimary)})
	s.must(err)
	if h := out.HealthCheck; *h.HealthCheckVersion != 2 || !*h.HealthCheckConfig.Disabled || !*h.HealthCheckConfig.Inverted || h.HealthCheckConfig.Type != r53.HealthCheckTypeCalculated {
		t.Errorf("%+v", *h.HealthCheckConfig)
	}
	if got, _ := s.answered("ns-1", recordName); got != east {
		t.Errorf("the zone's servers knew at once: %s", got)
	}
	s.wait(flagTime + time.Second)
	if got, _ := s.answered("ns-1", recordName); got != west {
		t.Errorf("the zone's servers answer %s", got)
	}
	for _, call := range s.Calls() {
		if call.System == "aws.route53" && call.Region != "us-east-1" {
			t.Errorf("Route 53 lives in us-east-1, not in %s", call.Region)
		}
	}
}

func TestRecordChangesArePendingBeforeTheyAreServed(t *testing.T) {
	s := quiet(t)
	c := route53.NewFromConfig(s.once(west))
	list, err := c.ListResourceRecordSets(s.ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: ptr(zoneID), StartRecordName: ptr(recordName), MaxItems: ptr(int32(2))})
	s.must(err)
	if len(list.ResourceRecordSets) != 2 || !list.IsTruncated || list.ResourceRecordSets[0].Failover != r53.ResourceRecordSetFailoverPrimary || *list.ResourceRecordSets[0].HealthCheckId != checkPrimary {
		t.Fatalf("%+v", list)
	}
	set := list.ResourceRecordSets[0]
	set.AliasTarget = list.ResourceRecordSets[1].AliasTarget
	out, err := c.ChangeResourceRecordSets(s.ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: ptr(zoneID), ChangeBatch: &r53.ChangeBatch{
		Changes: []r53.Change{{Action: r53.ChangeActionUpsert, ResourceRecordSet: &set}},
	}})
	s.must(err)
	status := func() r53.ChangeStatus {
		got, err := c.GetChange(s.ctx, &route53.GetChangeInput{Id: out.ChangeInfo.Id})
		s.must(err)
		return got.ChangeInfo.Status
	}
	if got, _ := s.answered("ns-1", recordName); status() != r53.ChangeStatusPending || got != east {
		t.Errorf("at once: %s, %s", status(), got)
	}
	s.wait(changeTime)
	if got, _ := s.answered("ns-1", recordName); status() != r53.ChangeStatusInsync || got != west {
		t.Errorf("later: %s, %s", status(), got)
	}
	test, err := c.TestDNSAnswer(s.ctx, &route53.TestDNSAnswerInput{HostedZoneId: ptr(zoneID), RecordName: ptr(recordName), RecordType: r53.RRTypeA})
	s.must(err)
	if len(test.RecordData) == 0 || regionOfAddress(test.RecordData[0]) != west {
		t.Errorf("TestDNSAnswer: %v", test.RecordData)
	}
	var none *r53.NoSuchChange
	if _, err := c.GetChange(s.ctx, &route53.GetChangeInput{Id: ptr("/change/C0")}); !errors.As(err, &none) {
		t.Errorf("unknown change: %v", err)
	}
	_, err = c.GetHealthCheckStatus(s.ctx, &route53.GetHealthCheckStatusInput{HealthCheckId: ptr(checkPrimary)})
	if _, ok := errors.AsType[*r53.InvalidInput](err); !ok {
		t.Errorf("status of a CALCULATED check: %v", err)
	}
	zone, err := c.GetHostedZone(s.ctx, &route53.GetHostedZoneInput{Id: ptr(zoneID)})
	s.must(err)
	if *zone.HostedZone.Name != zoneName+"." {
		t.Errorf("zone %s", *zone.HostedZone.Name)
	}
}
