// Package takeover pulls the lever that needs no control plane: an object in the
// standby Region whose presence makes the primary's health check unhealthy.
//
// The PRIMARY record's check counts two children, the endpoint check and an
// inverted check of the object. With the object there the primary is unhealthy
// whatever its endpoint says, so a primary that flickers back gets nobody back.
// Putting it is S3 in the standby Region and nothing else; Route 53's checkers
// see it by themselves. With that bucket unreachable the action fails and says so.
//
// https://aws.amazon.com/blogs/networking-and-content-delivery/creating-disaster-recovery-mechanisms-using-amazon-route-53/
package takeover

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// undo is how the takeover is taken back.
const undo = "delete the object, once the old primary is really healthy and its database follows"

// Takeover reaches the buckets of an account.
type Takeover struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
}

// New returns the lever reached through config, which gives the settings for calls
// to one Region.
func New(config func(region string) aws.Config, reads *awserr.Reads) *Takeover {
	return &Takeover{config: config, reads: reads}
}

func (t *Takeover) client(region string) *s3.Client {
	return s3.NewFromConfig(t.config(region), func(o *s3.Options) {
		// An endpoint given by hand rarely answers to bucket names as host names.
		o.UsePathStyle = o.BaseEndpoint != nil
	})
}

func (t *Takeover) reading(o *s3.Options) { o.Retryer = t.reads.Call() }

// object is the one that makes the target take over.
type object struct{ bucket, key string }

func objectOf(p *runbook.Plan) (object, error) {
	s, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	return object{s.Regions[p.Target.Name].TakeoverBucket, s.TakeoverKey}, err
}

// String is the object's address.
func (o object) String() string { return "s3://" + o.bucket + "/" + o.key }

// present says whether the object is there, and since when.
func (t *Takeover) present(ctx context.Context, region string, at object) (bool, time.Time, error) {
	out, err := t.client(region).HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: aws.String(at.bucket), Key: aws.String(at.key),
	}, t.reading)
	if err != nil {
		if awserr.Missing(err) {
			return false, time.Time{}, nil
		}
		return false, time.Time{}, fmt.Errorf("look for %s: %w", at, awserr.SortRead(ctx, err))
	}
	return true, aws.ToTime(out.LastModified).UTC(), nil
}

// Ready checks that the lever can be pulled and has not been pulled yet.
func (t *Takeover) Ready(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	at, err := objectOf(p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"object": at.String(), "region": p.Target.Name}}
	_, err = t.client(p.Target.Name).HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(at.bucket)}, t.reading)
	if err != nil {
		if awserr.Missing(err) {
			o.Summary = fmt.Sprintf("there is no bucket %s in %s to put the takeover object in", at.bucket, p.Target.Name)
			return o, false, nil
		}
		return o, false, fmt.Errorf("reach bucket %s: %w", at.bucket, awserr.SortRead(ctx, err))
	}
	there, since, err := t.present(ctx, p.Target.Name, at)
	if err != nil {
		return o, false, err
	}
	if there {
		o.Evidence["since"] = since.Format(time.RFC3339)
		o.Summary = fmt.Sprintf("%s is there already, since %s: users are being sent to %s", at, since.Format("2006-01-02 15:04 UTC"), p.Target.Name)
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("bucket %s in %s answers and holds no takeover object", at.bucket, p.Target.Name)
	return o, true, nil
}

// Look reports whether the object is there, whoever put it.
func (t *Takeover) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	at, err := objectOf(p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Before: "no object", Evidence: map[string]string{"object": at.String(), "region": p.Target.Name}}
	there, since, err := t.present(ctx, p.Target.Name, at)
	if err != nil {
		return o, false, err
	}
	if !there {
		o.Summary = at.String() + " is not there"
		return o, false, nil
	}
	o.Evidence["since"] = since.Format(time.RFC3339)
	o.Summary = fmt.Sprintf("%s is there since %s, so %s is not given to anybody", at, since.Format("15:04:05 UTC"), p.Source.Name)
	return o, true, nil
}

// Do puts the object, once, and only if there is none: its text says which incident
// put it, and that one stays.
func (t *Takeover) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	p := c.Plan
	at, err := objectOf(p)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{"object": at.String(), "region": p.Target.Name}}
	_, err = t.client(p.Target.Name).PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(at.bucket), Key: aws.String(at.key),
		Body:        strings.NewReader(fmt.Sprintf("%s: %s takes over from %s\n", c.Incident, p.Target.Name, p.Source.Name)),
		ContentType: aws.String("text/plain"), IfNoneMatch: aws.String("*"),
		Metadata: map[string]string{"incident": string(c.Incident)},
	}, func(o *s3.Options) { o.Retryer = awserr.Once() })
	if awserr.Code(err) == "PreconditionFailed" {
		o.Summary = fmt.Sprintf("%s was there already", at)
		return o, nil
	}
	if err != nil {
		return o, fmt.Errorf("put %s: %w", at, awserr.Sort(ctx, err))
	}
	o.Summary = fmt.Sprintf("put %s: %s is given to nobody until it is deleted", at, p.Source.Name)
	return o, nil
}

// Effect says what would happen now.
func (t *Takeover) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	p := c.Plan
	at, err := objectOf(p)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step:  c.Step.ID,
		What:  fmt.Sprintf("PutObject %s: %s resolves to %s only", at, p.Topology.Record, p.Target.Name),
		Undo:  undo,
		Bound: "takeover " + at.String(),
	}, nil
}
