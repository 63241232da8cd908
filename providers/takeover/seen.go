package takeover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// brief is how long Route 53's API may take to say what its checkers see: it may live
// in the Region that is gone.
const brief = 5 * time.Second

// open is what people have to do for the checkers to see an object.
const open = "turn Block Public Access off for this bucket and let its policy allow s3:GetObject on %s and %s to everybody (deploy/takeover-bucket-policy.json)"

// Addresses are the URLs under which anybody reads the object that makes a Region take
// over, in all the forms that S3 understands for a bucket of that Region; the first is
// the usual one. Their scheme is https; http leads to the same.
func Addresses(ctx context.Context, t runbook.Topology, r runbook.Region) ([]*url.URL, error) {
	s, err := runbook.PartOf[Settings](t, Platform.Key)
	if err != nil {
		return nil, err
	}
	var out []*url.URL
	for _, form := range []struct{ dual, path bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		at, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, s3.EndpointParameters{
			Region: aws.String(r.Name), Bucket: aws.String(s.Regions[r.Name].TakeoverBucket),
			UseFIPS: aws.Bool(false), UseDualStack: aws.Bool(form.dual), ForcePathStyle: aws.Bool(form.path),
			Accelerate: aws.Bool(false), UseGlobalEndpoint: aws.Bool(false),
		})
		if err != nil {
			if form.dual {
				continue // not every partition has it
			}
			return nil, &incident.CallError{
				NeedsPerson: true, Err: fmt.Errorf("find the address of bucket %s in %s: %w", s.Regions[r.Name].TakeoverBucket, r.Name, err),
				Hint: "compare takeover_bucket in the settings with the account",
			}
		}
		u := at.URI
		u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/")+"/"+s.TakeoverKey, ""
		out = append(out, &u)
	}
	return out, nil
}

// Readable tries as somebody without any rights to read the probe object beside the
// takeover object of a Region; plain is without TLS. It is nil if that can be read.
func (t *Takeover) Readable(ctx context.Context, top runbook.Topology, r runbook.Region, plain bool) error {
	s, err := runbook.PartOf[Settings](top, Platform.Key)
	if err != nil {
		return err
	}
	at := object{s.Regions[r.Name].TakeoverBucket, s.TakeoverKey}
	return t.unsigned(ctx, r.Name, at.probe(), plain)
}

// There is the object that makes a Region take over, where it is and who put it; empty if it
// is not there.
func (t *Takeover) There(ctx context.Context, top runbook.Topology, r runbook.Region) (string, error) {
	s, err := runbook.PartOf[Settings](top, Platform.Key)
	if err != nil {
		return "", err
	}
	at := object{s.Regions[r.Name].TakeoverBucket, s.TakeoverKey}
	there, err := t.present(ctx, r.Name, at)
	if err != nil || there == nil {
		return "", err
	}
	return fmt.Sprintf("%s, %s", at, there), nil
}

// unsigned reads an object as a checker does: signing nothing. Where S3 does not show
// it the error is [hidden]: strangers are not told whether it is there.
func (t *Takeover) unsigned(ctx context.Context, region string, at object, plain bool) error {
	stranger := s3.NewFromConfig(t.config(region), addressing, func(o *s3.Options) {
		o.Credentials = aws.AnonymousCredentials{}
		o.EndpointOptions.DisableHTTPS = plain
	})
	out, err := stranger.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(at.bucket), Key: aws.String(at.key)}, t.reading)
	if err != nil {
		return fmt.Errorf("read %s without rights: %w", at, awserr.SortRead(ctx, err))
	}
	defer func() { _ = out.Body.Close() }() // it has been read
	if _, err := io.Copy(io.Discard, io.LimitReader(out.Body, 1<<20)); err != nil {
		return fmt.Errorf("read %s without rights: %w", at, awserr.SortRead(ctx, err))
	}
	return nil
}

// hidden says that an unsigned read was refused, or that there is nothing to read.
func hidden(err error) bool {
	return err != nil && (awserr.Missing(err) || awserr.Code(err) == "AccessDenied" || awserr.Code(err) == "AllAccessDisabled")
}

// Visible checks that everybody, and so Route 53's checkers, will see the takeover
// object: the probe object beside it is read without any rights.
func (t *Takeover) Visible(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	at, err := objectOf(p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"probe": at.probe().String(), "region": p.Target.Name}}
	err = t.unsigned(ctx, p.Target.Name, at.probe(), false)
	switch {
	case err == nil:
		o.Summary = fmt.Sprintf("anybody can read %s, so Route 53's checkers will see %s", at.probe(), at)
		return o, true, nil
	case !hidden(err):
		return o, false, err
	}
	there, err := t.present(ctx, p.Target.Name, at.probe())
	switch {
	case err != nil:
		return o, false, err
	case there == nil:
		o.Summary = fmt.Sprintf("there is no probe object %s, so nobody knows whether Route 53's checkers would see the takeover object: put it there once (deploy/README.md says how)", at.probe())
	default:
		o.Summary = fmt.Sprintf("bucket %s refuses to show %s to whoever does not sign, so Route 53's checkers would never see the takeover object: ", at.bucket, at.probe()) +
			fmt.Sprintf(open, at.key, at.probe().key)
	}
	return o, false, nil
}

// Seen waits until the takeover object is seen: it can be read by anybody, and, where
// Route 53's API can be asked, by enough of its checkers.
func (t *Takeover) Seen(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	at, err := objectOf(p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"object": at.String(), "region": p.Target.Name}}
	if err := t.unsigned(ctx, p.Target.Name, at, false); err != nil {
		if !hidden(err) {
			return o, false, err
		}
		o.Summary = fmt.Sprintf("put, not yet seen: %s is not shown to whoever does not sign; ", at) + fmt.Sprintf(open, at.key, at.probe().key)
		return o, false, nil
	}
	seen, of, err := t.ask(ctx, c)
	switch {
	case err != nil:
		o.Evidence["checkers"] = "unknown: " + err.Error()
		o.Measured.Verdict = incident.Warn
		o.Summary = fmt.Sprintf("anybody can read %s; Route 53's API could not be asked whether its checkers do", at)
		return o, true, nil
	case !enough(seen, of):
		o.Evidence["checkers"] = fmt.Sprintf("%d of %d", seen, of)
		o.Summary = fmt.Sprintf("put, not yet seen: %d of %d of Route 53's checkers see %s", seen, of, at)
		return o, false, nil
	}
	o.Evidence["checkers"] = fmt.Sprintf("%d of %d", seen, of)
	o.Summary = fmt.Sprintf("%d of %d of Route 53's checkers see %s: %s is given to nobody", seen, of, at, p.Source.Name)
	return o, true, nil
}

// enough checkers are more than 18 %, which is what Route 53 goes by.
func enough(seen, of int) bool { return of > 0 && seen*100 > of*18 }

func (t *Takeover) ask(ctx context.Context, c engine.Call) (seen, of int, err error) {
	if t.checkers == nil {
		return 0, 0, errors.New("nobody can be asked")
	}
	ctx, stop := c.Clock.WithTimeout(ctx, brief, fmt.Errorf("no answer within %s", brief))
	defer stop()
	return t.checkers(ctx, c.Plan)
}
