// Package acm looks at the certificates that a Region's load balancer shows to users.
//
// Certificates are issued, renewed and attached in each Region by itself. The
// standby's may run out or fail to be renewed while the primary's is well, and nobody
// notices before users arrive there. It only reads, and only in the Region it is
// asked about. With ACM or the load balancer's API unreachable the check ends in an
// error, never in a yes.
//
// https://docs.aws.amazon.com/acm/latest/APIReference/API_DescribeCertificate.html
package acm

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	day = 24 * time.Hour
	// port is where browsers and apps of the public name arrive.
	port = 443
	// minDays is how many days a certificate has to be valid for yet. ACM begins to
	// renew before that: a certificate with less was not renewed.
	minDays = 30
	// shown is how many names of a certificate, and how many certificates that are for
	// other names, are told; there may be hundreds.
	shown = 5
)

// Listeners are those of a Region's load balancer, each with all of its certificates.
// Its errors are faults of a read.
type Listeners func(ctx context.Context, t runbook.Topology, r runbook.Region) ([]elbtypes.Listener, error)

// ACM reaches the certificates of an account.
type ACM struct {
	config    func(region string) aws.Config
	reads     *awserr.Reads
	listeners Listeners
	clock     incident.Clock
}

// New returns the certificates reached through config, which gives the settings for
// calls to one Region; listeners tells which of them are in use.
func New(config func(region string) aws.Config, reads *awserr.Reads, listeners Listeners, clock incident.Clock) *ACM {
	return &ACM{config: config, reads: reads, listeners: listeners, clock: clock}
}

// CertificateInput is the input of Certificate.
type CertificateInput struct {
	// MinDays is how many days have to be left; 0 means 30.
	MinDays int `yaml:"min_days,omitempty" json:"min_days,omitempty"`
}

// Certificate checks that the target's load balancer has a certificate on port 443
// that is issued, covers the public name and has more than so many days left. One is
// enough: among those that fit the name that a client asks for the load balancer
// picks itself. One that fits the name and is not valid is told beside it.
//
// Of a certificate that is IAM's own ACM cannot tell anything; where it might be the
// one that decides, the answer is unknown.
//
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html
func (a *ACM) Certificate(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	in := CertificateInput{}
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	if in.MinDays < 0 {
		return engine.Outcome{}, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("min_days is %d, and a certificate has no days below zero", in.MinDays)}
	}
	if in.MinDays == 0 {
		in.MinDays = minDays
	}
	t, r := c.Plan.Topology, c.Plan.Target
	listeners, err := a.listeners(ctx, t, r)
	if err != nil {
		return engine.Outcome{}, false, err //nolint:wrapcheck // says what was asked, and is sorted already
	}
	f := &finding{now: a.clock.Now(), host: t.Record, region: r.Name, wanted: time.Duration(in.MinDays) * day}
	arns, served := onPort(listeners)
	if !served {
		return f.unserved(listeners), false, nil
	}
	client := acm.NewFromConfig(a.config(r.Name))
	for _, arn := range arns {
		if !strings.Contains(arn, ":acm:") {
			f.foreign = append(f.foreign, arn)
			continue
		}
		out, err := client.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: aws.String(arn)}, func(o *acm.Options) { o.Retryer = a.reads.Call() })
		if err != nil {
			return engine.Outcome{}, false, fmt.Errorf("describe certificate %s in %s: %w", short(arn), r.Name, awserr.SortRead(ctx, err))
		}
		f.take(arn, out.Certificate)
	}
	return f.answer()
}

// onPort are the certificates, by ARN, with which HTTPS is served where users arrive.
func onPort(listeners []elbtypes.Listener) (arns []string, served bool) {
	for _, l := range listeners {
		if l.Protocol != elbtypes.ProtocolEnumHttps || aws.ToInt32(l.Port) != port {
			continue
		}
		served = true
		for _, c := range l.Certificates {
			if arn := aws.ToString(c.CertificateArn); !slices.Contains(arns, arn) {
				arns = append(arns, arn)
			}
		}
	}
	return arns, served
}

// certificate is one of ACM's, as far as it matters here.
type certificate struct {
	*types.CertificateDetail
	arn  string
	left time.Duration // until it ends
	// wrong is why users are not served with it for long enough; empty if they are.
	wrong string
}

// finding is what there is for the public name on one load balancer.
type finding struct {
	now          time.Time
	host, region string
	wanted       time.Duration
	// fitting are for the public name, the one that does best first; others are not,
	// and foreign are not ACM's.
	fitting, others []certificate
	foreign         []string
}

// take sorts a certificate in.
func (f *finding) take(arn string, d *types.CertificateDetail) {
	if d == nil {
		d = &types.CertificateDetail{}
	}
	c := certificate{CertificateDetail: d, arn: arn}
	if d.NotAfter != nil {
		c.left = d.NotAfter.Sub(f.now)
	}
	if !slices.ContainsFunc(d.SubjectAlternativeNames, func(name string) bool { return covers(name, f.host) }) {
		f.others = append(f.others, c)
		return
	}
	switch {
	case d.Status != types.CertificateStatusIssued:
		c.wrong = "is " + c.status()
	case d.NotAfter == nil:
		c.wrong = "does not say when it ends"
	case c.left <= 0:
		c.wrong = "ended on " + date(*d.NotAfter)
	case d.NotBefore != nil && f.now.Before(*d.NotBefore):
		c.wrong = "is not valid before " + date(*d.NotBefore)
	case c.left <= f.wanted:
		c.wrong = fmt.Sprintf("has %s left, until %s%s", days(c.left), date(*d.NotAfter), c.renewal())
	}
	f.fitting = append(f.fitting, c)
	slices.SortStableFunc(f.fitting, func(x, y certificate) int {
		return cmp.Or(cmp.Compare(x.rank(), y.rank()), cmp.Compare(y.left, x.left))
	})
}

// rank is 0 for one that does, 1 for one that was issued and does not, 2 for the rest.
func (c certificate) rank() int {
	switch {
	case c.wrong == "":
		return 0
	case c.Status == types.CertificateStatusIssued:
		return 1
	}
	return 2
}

// answer is the outcome of all that was found.
func (f *finding) answer() (engine.Outcome, bool, error) {
	o := f.outcome()
	if len(f.fitting) > 0 && f.fitting[0].wrong == "" {
		best := f.fitting[0]
		o.Summary = fmt.Sprintf("the certificate for %s in %s has %s left, until %s", f.host, f.region, days(best.left), date(*best.NotAfter))
		var warn []string
		if best.renewing() {
			warn = append(warn, strings.TrimPrefix(best.renewal(), ", "))
		}
		for _, c := range f.fitting[1:] {
			if c.wrong != "" {
				warn = append(warn, fmt.Sprintf("%s is for the same name and %s: the load balancer may pick it", short(c.arn), c.wrong))
			}
		}
		o.Measured.Verdict = incident.Pass
		if len(warn) > 0 {
			o.Measured.Verdict = incident.Warn
			o.Summary += "; " + strings.Join(warn, "; ")
		}
		return o, true, nil
	}
	if len(f.foreign) > 0 {
		o.Measured.Verdict = incident.Unsure
		return o, false, &incident.CallError{
			NeedsPerson: true,
			Err:         fmt.Errorf("whether users get a valid certificate for %s in %s is unknown: ACM cannot tell of %s", f.host, f.region, strings.Join(f.foreign, ", ")),
			Hint:        "look at it with `aws iam get-server-certificate`, or put a certificate of ACM in " + f.region + " on the listener",
		}
	}
	o.Measured.Verdict = incident.Fail
	if len(f.fitting) == 0 {
		o.Summary = fmt.Sprintf("port %d in %s has no certificate for %s", port, f.region, f.host)
		if told := f.told(f.others, func(c certificate) string { return short(c.arn) + " is for " + c.names() }); told != "" {
			o.Summary += ": " + told
		}
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("no certificate for %s in %s is valid for more than %s: %s", f.host, f.region, days(f.wanted),
		f.told(f.fitting, func(c certificate) string { return short(c.arn) + " " + c.wrong }))
	return o, false, nil
}

// outcome is what was seen, without a judgement.
func (f *finding) outcome() engine.Outcome {
	o := engine.Outcome{Evidence: map[string]string{"name": f.host, "region": f.region, "wanted": "more than " + days(f.wanted)}}
	for _, c := range f.fitting {
		o.Evidence[c.arn] = c.String()
	}
	for _, c := range f.others[:min(len(f.others), shown)] {
		o.Evidence[c.arn] = "for other names; " + c.String()
	}
	for _, arn := range f.foreign {
		o.Evidence[arn] = "not ACM's"
	}
	o.Measured.AsOf = f.now
	if len(f.fitting) > 0 && f.fitting[0].ends() {
		limit := float64(f.wanted / day)
		o.Measured.Figures = []incident.Figure{{
			Name: "days left", Value: math.Floor(f.fitting[0].left.Hours()/24*10) / 10, Unit: "days", Limit: &limit,
		}}
	}
	return o
}

// unserved is the outcome where nothing serves HTTPS to users.
func (f *finding) unserved(listeners []elbtypes.Listener) engine.Outcome {
	o := f.outcome()
	o.Measured.Verdict = incident.Fail
	var has []string
	for _, l := range listeners {
		has = append(has, fmt.Sprintf("%s on port %d", l.Protocol, aws.ToInt32(l.Port)))
	}
	o.Summary = fmt.Sprintf("the load balancer in %s does not serve HTTPS on port %d: it has no listener", f.region, port)
	if len(has) > 0 {
		o.Evidence["listeners"] = strings.Join(has, ", ")
		o.Summary = fmt.Sprintf("the load balancer in %s does not serve HTTPS on port %d, only %s", f.region, port, o.Evidence["listeners"])
	}
	return o
}

// told are the first of them in words.
func (f *finding) told(all []certificate, say func(certificate) string) string {
	var out []string
	for _, c := range all[:min(len(all), shown)] {
		out = append(out, say(c))
	}
	if more := len(all) - shown; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, "; ")
}

// ends says that how long it is valid is what counts: not of one that is revoked.
func (c certificate) ends() bool {
	return c.NotAfter != nil && (c.Status == types.CertificateStatusIssued || c.Status == types.CertificateStatusExpired)
}

// String is everything about a certificate that helps to judge it.
func (c certificate) String() string {
	text := c.status()
	if c.NotAfter != nil {
		text += ", until " + c.NotAfter.UTC().Format(time.RFC3339)
	}
	return text + ", " + c.names() + ", " + strings.ToLower(string(c.Type)) + c.renewal()
}

// status with why, where ACM says it.
func (c certificate) status() string {
	text := string(c.Status)
	if c.Status == "" {
		text = "without a status"
	}
	for _, why := range []string{string(c.FailureReason), string(c.RevocationReason)} {
		if why != "" {
			text += " (" + why + ")"
		}
	}
	return text
}

// renewing says that somebody has to do something for it to be renewed.
func (c certificate) renewing() bool {
	return c.RenewalSummary != nil &&
		(c.RenewalSummary.RenewalStatus == types.RenewalStatusFailed || c.RenewalSummary.RenewalStatus == types.RenewalStatusPendingValidation)
}

// renewal is how its renewal does, for the end of a sentence.
func (c certificate) renewal() string {
	switch s := c.RenewalSummary; {
	case s != nil && s.RenewalStatusReason != "":
		return fmt.Sprintf(", its renewal is %s (%s)", s.RenewalStatus, s.RenewalStatusReason)
	case s != nil:
		return fmt.Sprintf(", its renewal is %s", s.RenewalStatus)
	case c.RenewalEligibility == types.RenewalEligibilityIneligible:
		return ", ACM does not renew it"
	}
	return ""
}

func (c certificate) names() string {
	all := c.SubjectAlternativeNames
	if len(all) == 0 {
		return "no name"
	}
	text := strings.Join(all[:min(len(all), shown)], ", ")
	if more := len(all) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// covers says whether a name of a certificate is for a host. A wildcard stands for
// one label, the first.
func covers(name, host string) bool {
	host = strings.TrimSuffix(host, ".")
	if strings.EqualFold(name, host) {
		return true
	}
	parent, wild := strings.CutPrefix(name, "*.")
	label, rest, _ := strings.Cut(host, ".")
	return wild && label != "" && strings.EqualFold(parent, rest)
}

// short is a certificate's id within its account and Region.
func short(arn string) string {
	return arn[strings.LastIndex(arn, ":")+1:]
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// days is "1 day" or "45 days", and hours where there is less than a day.
func days(d time.Duration) string {
	n, unit := int(d/day), "day"
	if d < day {
		n, unit = int(d/time.Hour), "hour"
	}
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
