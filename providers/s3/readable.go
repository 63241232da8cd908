package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// most is how much of a probe object is read: a larger one is read in part.
const most = 1 << 20

// Readable checks that the probe object of each of the target's buckets can be read. It
// is read and not only described: an object whose key cannot be used in that Region is
// described all the same.
func (s *S3) Readable(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	settings, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	now, target := s.clock.Now(), c.Plan.Target.Name
	buckets := settings.Regions[target].Buckets
	if len(buckets) == 0 || settings.ProbeKey == "" {
		why := fmt.Sprintf("the settings name no buckets of %s (platform.s3.regions)", target)
		if len(buckets) > 0 {
			why = "the settings name no object to read (platform.s3.probe_key)"
		}
		return engine.Outcome{Summary: "not applicable: " + why, Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: now}}, true, nil
	}
	read, faults := make([]string, len(buckets)), make([]error, len(buckets))
	incident.Together(s.clock, len(buckets), func(i int) { read[i], faults[i] = s.read(ctx, target, buckets[i], settings.ProbeKey) })

	o := engine.Outcome{Evidence: map[string]string{"probe_key": settings.ProbeKey}}
	var missing []string
	var unread error
	for i, bucket := range buckets {
		switch err := faults[i]; {
		case gone(err):
			missing = append(missing, bucket)
			o.Evidence[bucket] = "not there"
		case err != nil:
			o.Evidence[bucket] = "unknown"
			unread = errors.Join(unread, err)
		default:
			o.Evidence[bucket] = read[i]
		}
	}
	none := 0.0
	o.Measured = incident.Measured{Verdict: incident.Pass, AsOf: now}
	if unread == nil || len(missing) > 0 {
		o.Measured.Figures = []incident.Figure{{Name: "buckets without the probe object", Value: float64(len(missing)), Unit: "buckets", Limit: &none}}
	}
	switch {
	case len(missing) > 0:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%s is missing in %d of %s of %s: %s", settings.ProbeKey, len(missing), text.Count(len(buckets), "bucket"), target, text.Some(missing, shown))
		return o, false, nil
	case unread != nil:
		return o, false, unread
	}
	o.Summary = fmt.Sprintf("%s was read from %s of %s", settings.ProbeKey, text.Count(len(buckets), "bucket"), target)
	return o, true, nil
}

// read reads an object, and says what was read.
func (s *S3) read(ctx context.Context, region, bucket, key string) (string, error) {
	out, err := s3.NewFromConfig(s.config(region)).GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)}, func(o *s3.Options) { o.Retryer = s.reads.Call() })
	if err != nil {
		return "", fmt.Errorf("read %s of %s in %s: %w", key, bucket, region, awserr.SortRead(ctx, err))
	}
	defer func() { _ = out.Body.Close() }() // what is wanted of it has been read
	n, err := io.Copy(io.Discard, io.LimitReader(out.Body, most))
	if err != nil {
		return "", fmt.Errorf("read %s of %s in %s to its end: %w", key, bucket, region, awserr.SortRead(ctx, err))
	}
	said := []string{text.Count(int(n), "byte"), "etag " + strings.Trim(aws.ToString(out.ETag), `"`)}
	if at := aws.ToTime(out.LastModified); !at.IsZero() {
		said = append(said, "written at "+text.ToDay.UTC(at))
	}
	return strings.Join(said, ", "), nil
}

// gone says that the bucket told that the object is not there; that the bucket itself is
// not there is a mistake in the settings.
func gone(err error) bool {
	_, ok := errors.AsType[*types.NoSuchKey](err)
	return ok
}
