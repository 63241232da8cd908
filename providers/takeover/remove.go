package takeover

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// removeUndo is how a removal is taken back.
const removeUndo = "put the object again: users leave the primary once Route 53's checkers see it"

// Remove deletes the takeover object of the Region that a run leaves, whoever put it: the
// run leads to the Region that the object keeps from users. The approval of the run stands
// for it, and what was there is recorded.
type Remove struct{ *Takeover }

// removed is what Look records of the object before it is deleted.
type removed struct {
	Region string `json:"region"`
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	// By is the incident that had put it.
	By string `json:"by,omitempty"`
}

// standing is the object in the Region that is left; nil if there is none.
func (r Remove) standing(ctx context.Context, c engine.Call) (object, *found, error) {
	at, err := objectOf(c.Plan.Turned())
	if err != nil {
		return at, nil, err
	}
	there, err := r.present(ctx, c.Plan.Source.Name, at)
	return at, there, err
}

// Look reports whether there is no object.
func (r Remove) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	at, there, err := r.standing(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"object": at.String(), "region": c.Plan.Source.Name}}
	if there == nil {
		o.Summary = fmt.Sprintf("%s is not there: nothing keeps users from %s", at, c.Plan.Target.Name)
		return o, true, nil
	}
	o.Summary, o.Before = fmt.Sprintf("%s is there: %s", at, there), there.String()
	if o.Prior, err = json.Marshal(removed{c.Plan.Source.Name, at.bucket, at.key, there.by}); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down what %s is: %w", at, err)}
	}
	return o, false, nil
}

// Do deletes the object that was just read, once.
func (r Remove) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	at, there, err := r.standing(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{"object": at.String(), "region": c.Plan.Source.Name}}
	if there == nil {
		o.Summary = fmt.Sprintf("%s was not there already", at)
		return o, nil
	}
	o.Before = there.String()
	if err := r.erase(ctx, c.Plan.Source.Name, at, there); err != nil {
		return o, err
	}
	o.Summary = fmt.Sprintf("deleted %s: %s is given out as long as its check is healthy", at, c.Plan.Target.Name)
	return o, nil
}

// back reads whether the object is there again; nil if it is not. It is a fault if another
// one is there.
func (r Remove) back(ctx context.Context, c engine.Call, prior json.RawMessage) (was removed, there *found, err error) {
	if was, err = engine.Recorded[removed](prior); err != nil {
		return was, nil, err
	}
	if there, err = r.present(ctx, was.Region, was.object()); err != nil || there == nil || was.is(there) {
		return was, there, err
	}
	return was, there, c.Meanwhile(engine.Difference{What: was.object().String(), Now: there.String(), Set: "not there", Was: "an object that " + putBy(was.By) + " put"})
}

func (w removed) object() object { return object{w.Bucket, w.Key} }

// is says that the object that is there is that one.
func (w removed) is(there *found) bool { return there != nil && there.by == w.By }

func (w removed) outcome() engine.Outcome {
	return engine.Outcome{Evidence: map[string]string{"object": w.object().String(), "region": w.Region}}
}

// LookBack reports whether the object is there again.
func (r Remove) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	was, there, err := r.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := was.outcome()
	o.Summary = fmt.Sprintf("%s is there, as before", was.object())
	if !was.is(there) {
		o.Summary = fmt.Sprintf("%s is not there; it was", was.object())
	}
	return o, was.is(there), nil
}

// Back puts the object again, in the name of the incident that had put it.
func (r Remove) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	was, there, err := r.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := was.outcome()
	if was.is(there) {
		o.Summary = fmt.Sprintf("%s was there again already", was.object())
		return o, nil
	}
	in := &s3.PutObjectInput{
		Bucket: aws.String(was.Bucket), Key: aws.String(was.Key), ContentType: aws.String("text/plain"), IfNoneMatch: aws.String("*"),
		Body: strings.NewReader(fmt.Sprintf("%s: %s takes over, as before\n", c.Incident, was.Region)),
	}
	if there != nil { // somebody else's, as a person has agreed to
		in.IfNoneMatch, in.IfMatch = nil, there.etag
	}
	if was.By != "" {
		in.Metadata = map[string]string{incidentKey: was.By}
	}
	_, err = r.client(was.Region).PutObject(ctx, in, func(o *s3.Options) { o.Retryer = awserr.Once() })
	switch {
	case awserr.Code(err) == "PreconditionFailed":
		o.Summary = fmt.Sprintf("%s was there again already", was.object())
	case err != nil:
		return o, fmt.Errorf("put %s again: %w", was.object(), awserr.Sort(ctx, err))
	default:
		o.Summary = fmt.Sprintf("put %s again: once Route 53's checkers see it %s is given to nobody", was.object(), c.Plan.Target.Name)
	}
	return o, nil
}

// Effect says what would happen now.
func (r Remove) Effect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	at, there, err := r.standing(ctx, c)
	if err != nil {
		return incident.Effect{}, err
	}
	e := incident.Effect{Step: c.Step.ID, Undo: removeUndo, Bound: "remove " + at.String()}
	e.What = fmt.Sprintf("DeleteObject %s, which is not there", at)
	if there != nil {
		e.What = fmt.Sprintf("DeleteObject %s (%s)", at, there)
	}
	return e, nil
}
