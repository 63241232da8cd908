package acm

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/failoverbot/failoverbot/incident"
)

func TestAWildcardStandsForOneLabel(t *testing.T) {
	for _, c := range []struct {
		name, host string
		covers     bool
	}{
		{"api.example.com", "api.example.com", true},
		{"API.Example.com", "api.example.COM", true},
		{"api.example.com", "api.example.com.", true},
		{"*.example.com", "api.example.com", true},
		{"*.EXAMPLE.com", "Api.example.com", true},
		{"*.example.com", "example.com", false},
		{"*.example.com", "eu.api.example.com", false},
		{"*.example.com", ".example.com", false},
		{"*.example.com", "apiexample.com", false},
		{"*.com", "api.example.com", false},
		{"example.com", "api.example.com", false},
		{"a*.example.com", "api.example.com", false},
		{"xn--bcher-kva.example", "XN--BCHER-KVA.example", true},
		{"", "api.example.com", false},
	} {
		if got := covers(c.name, c.host); got != c.covers {
			t.Errorf("%q is for %q: %t", c.name, c.host, got)
		}
	}
}

// A certificate of 30 days has 30 left and not more.
func TestTheLimitIsExact(t *testing.T) {
	now := time.Date(2026, 3, 3, 14, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration]incident.Verdict{
		30*day - time.Nanosecond: incident.Fail, 30 * day: incident.Fail, 30*day + time.Nanosecond: incident.Pass,
	} {
		f := &finding{now: now, host: "api.example.com", region: "us-west-2", wanted: 30 * day}
		f.take("arn:aws:acm:us-west-2:123456789012:certificate/one", &types.CertificateDetail{
			Status: types.CertificateStatusIssued, SubjectAlternativeNames: []string{"*.example.com"}, NotAfter: aws.Time(now.Add(left)),
		})
		if o, ok, err := f.answer(); err != nil || o.Measured.Verdict != want || ok != (want == incident.Pass) {
			t.Errorf("%s left: %t %q %v", left, ok, o.Summary, err)
		}
	}
}

// ACM is asked about what is there; an answer that lacks something is no yes.
func TestWhatACMDoesNotSayIsNoYes(t *testing.T) {
	for name, d := range map[string]*types.CertificateDetail{
		"nothing":   nil,
		"no end":    {Status: types.CertificateStatusIssued, SubjectAlternativeNames: []string{"api.example.com"}},
		"no status": {NotAfter: aws.Time(time.Now().Add(90 * day)), SubjectAlternativeNames: []string{"api.example.com"}},
		"no name":   {Status: types.CertificateStatusIssued, NotAfter: aws.Time(time.Now().Add(90 * day))},
	} {
		f := &finding{now: time.Now(), host: "api.example.com", region: "us-west-2", wanted: 30 * day}
		f.take("arn:aws:acm:us-west-2:123456789012:certificate/one", d)
		if o, ok, err := f.answer(); ok || err != nil || o.Measured.Verdict != incident.Fail || !strings.Contains(o.Summary, "certificate/one") {
			t.Errorf("%s: %t %q %v", name, ok, o.Summary, err)
		}
	}
}
