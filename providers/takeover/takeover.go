// Package takeover pulls the lever that needs no control plane: an object in the
// standby Region whose presence makes the primary's health check unhealthy.
//
// The PRIMARY record's check counts two children, the endpoint check and an
// inverted check of the object. With the object there the primary is unhealthy
// whatever its endpoint says, so a primary that flickers back gets nobody back.
// Putting it is S3 in the standby Region and nothing else; Route 53's checkers
// see it by themselves. With that bucket unreachable the action fails and says so.
//
// The checkers sign nothing, so the object counts as seen when anybody can read it.
// Beside it lies a probe object that is there for ever: what refuses to show that one
// would refuse the takeover object, too, and is found before it is needed.
//
// https://aws.amazon.com/blogs/networking-and-content-delivery/creating-disaster-recovery-mechanisms-using-amazon-route-53/
package takeover

import (
	"cmp"
	"context"
	"encoding/json"
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

// Checkers are how many of Route 53's checkers see the object that makes the source of
// a run unhealthy, and of how many. Its error says that they could not be asked.
type Checkers func(ctx context.Context, p *runbook.Plan) (seen, of int, err error)

// Takeover reaches the buckets of an account.
type Takeover struct {
	config   func(region string) aws.Config
	reads    *awserr.Reads
	checkers Checkers
}

// New returns the lever reached through config, which gives the settings for calls
// to one Region. checkers may be nil: then nobody is asked what they see.
func New(config func(region string) aws.Config, reads *awserr.Reads, checkers Checkers) *Takeover {
	return &Takeover{config: config, reads: reads, checkers: checkers}
}

func (t *Takeover) client(region string) *s3.Client {
	return s3.NewFromConfig(t.config(region), addressing)
}

// addressing is by path at an endpoint given by hand: it rarely answers to bucket names
// as host names.
func addressing(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil }

func (t *Takeover) reading(o *s3.Options) { o.Retryer = t.reads.Call() }

// object is the one that makes the target take over.
type object struct{ bucket, key string }

func objectOf(p *runbook.Plan) (object, error) {
	s, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	return object{s.Regions[p.Target.Name].TakeoverBucket, s.TakeoverKey}, err
}

// probe is the object beside it that installation leaves there for ever.
func (o object) probe() object { return object{o.bucket, o.key + ProbeSuffix} }

// String is the object's address.
func (o object) String() string { return "s3://" + o.bucket + "/" + o.key }

// ProbeSuffix makes of the takeover object's key that of the probe object.
const ProbeSuffix = ".probe"

// incidentKey is the metadata of the object that says which incident put it.
const incidentKey = "incident"

// found is the object as it is there.
type found struct {
	since time.Time
	etag  *string
	// by is the incident that put it; empty if it was not the bot.
	by string
}

// String is "an object that INC-2026-0042 put at 13:58:04 UTC".
func (f *found) String() string {
	return fmt.Sprintf("an object that %s put at %s", putBy(f.by), f.since.Format("2006-01-02 15:04:05 UTC"))
}

// putBy is who put an object: an incident, or somebody.
func putBy(incident string) string { return cmp.Or(incident, "somebody") }

// present is the object; nil if it is not there.
func (t *Takeover) present(ctx context.Context, region string, at object) (*found, error) {
	out, err := t.client(region).HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: aws.String(at.bucket), Key: aws.String(at.key),
	}, t.reading)
	if err != nil {
		if awserr.Missing(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("look for %s: %w", at, awserr.SortRead(ctx, err))
	}
	return &found{since: aws.ToTime(out.LastModified).UTC(), etag: out.ETag, by: out.Metadata[incidentKey]}, nil
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
	there, err := t.present(ctx, p.Target.Name, at)
	if err != nil {
		return o, false, err
	}
	if there != nil {
		o.Evidence["since"] = there.since.Format(time.RFC3339)
		o.Summary = fmt.Sprintf("%s is there already, since %s: users are being sent to %s", at, there.since.Format("2006-01-02 15:04 UTC"), p.Target.Name)
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
	there, err := t.present(ctx, p.Target.Name, at)
	if err != nil {
		return o, false, err
	}
	if there == nil {
		o.Summary = at.String() + " is not there"
		if o.Prior, err = json.Marshal(absent{p.Target.Name, at.bucket, at.key}); err != nil {
			return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down that there is no %s: %w", at, err)}
		}
		return o, false, nil
	}
	o.Evidence["since"] = there.since.Format(time.RFC3339)
	o.Summary = fmt.Sprintf("%s is there since %s; who sees it is looked at next", at, there.since.Format("15:04:05 UTC"))
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
		Metadata: map[string]string{incidentKey: string(c.Incident)},
	}, func(o *s3.Options) { o.Retryer = awserr.Once() })
	if awserr.Code(err) == "PreconditionFailed" {
		o.Summary = fmt.Sprintf("%s was there already", at)
		return o, nil
	}
	if err != nil {
		return o, fmt.Errorf("put %s: %w", at, awserr.Sort(ctx, err))
	}
	o.Summary = fmt.Sprintf("put %s, not yet seen: once Route 53's checkers see it %s is given to nobody until it is deleted", at, p.Source.Name)
	return o, nil
}

// absent is what Look records before a takeover: where there was no object.
type absent struct {
	Region string `json:"region"`
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// back reads whether the object is gone again: nil. It is a fault if the one that is
// there is not the one that this incident put.
func (t *Takeover) back(ctx context.Context, c engine.Call, prior json.RawMessage) (was absent, at object, there *found, err error) {
	if was, err = engine.Recorded[absent](prior); err != nil {
		return was, at, nil, err
	}
	at = object{was.Bucket, was.Key}
	if there, err = t.present(ctx, was.Region, at); err != nil || there == nil {
		return was, at, nil, err
	}
	if there.by != string(c.Incident) {
		return was, at, there, c.Meanwhile(engine.Difference{What: at.String(), Now: there.String(), Set: "one of " + string(c.Incident), Was: "not there"})
	}
	return was, at, there, nil
}

func (was absent) outcome(at object) engine.Outcome {
	return engine.Outcome{
		Summary:  at.String() + " is not there, as before",
		Evidence: map[string]string{"object": at.String(), "region": was.Region},
	}
}

// LookBack reports whether the object is gone.
func (t *Takeover) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	was, at, there, err := t.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := was.outcome(at)
	if there != nil {
		o.Summary = fmt.Sprintf("%s is there: %s", at, there)
	}
	return o, there == nil, nil
}

// Back deletes the object that this incident put, once, and only if it still is that
// one. Deleting on that condition takes the right to read the object, too; see
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html .
func (t *Takeover) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	was, at, there, err := t.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := was.outcome(at)
	if there == nil {
		return o, nil
	}
	if err := t.erase(ctx, was.Region, at, there); err != nil {
		return o, err
	}
	o.Summary = fmt.Sprintf("deleted %s: %s is given out as long as it is healthy", at, c.Plan.Source.Name)
	return o, nil
}

// erase deletes the object that was read, once; somebody else may have been first.
func (t *Takeover) erase(ctx context.Context, region string, at object, there *found) error {
	_, err := t.client(region).DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: aws.String(at.bucket), Key: aws.String(at.key), IfMatch: there.etag,
	}, func(o *s3.Options) { o.Retryer = awserr.Once() })
	switch {
	case err == nil, awserr.Missing(err):
		return nil
	case awserr.Code(err) == "PreconditionFailed", awserr.Code(err) == "ConditionalRequestConflict":
		return &incident.CallError{
			Err: fmt.Errorf("delete %s: another one was put at the same moment", at), Retry: true,
			Hint: "somebody put another object there at the same moment",
		}
	}
	return fmt.Errorf("delete %s: %w", at, awserr.Sort(ctx, err))
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
