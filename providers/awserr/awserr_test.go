package awserr_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// wire answers with a status and an RDS error code, each in its turn; the last
// one stays. It is the HTTP end: everything of the SDK above it is real.
type wire struct {
	answers []string // "503 ServiceUnavailable", "200", "hang", "cut"
	sent    atomic.Int64
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	n := int(w.sent.Add(1)) - 1
	answer := w.answers[min(n, len(w.answers)-1)]
	switch answer {
	case "hang":
		<-r.Context().Done()
		return nil, r.Context().Err()
	case "cut":
		return nil, io.ErrUnexpectedEOF
	}
	var status int
	var code string
	if _, err := fmt.Sscanf(answer, "%d %s", &status, &code); err != nil {
		status, code = 200, ""
	}
	body := `<DescribeGlobalClustersResponse><DescribeGlobalClustersResult></DescribeGlobalClustersResult></DescribeGlobalClustersResponse>`
	if code != "" {
		body = "<ErrorResponse><Error><Code>" + code + "</Code><Message>because</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func client(w *wire, more ...func(*rds.Options)) *rds.Client {
	return rds.NewFromConfig(aws.Config{
		Region: "us-west-2", HTTPClient: w,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	}, more...)
}

func TestReadsAreRetriedOnTheRunsClock(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []string
		sent    int64
		waited  bool
		good    bool
	}{
		{"throttled twice, then answered", []string{"400 Throttling", "400 Throttling", "200"}, 3, true, true},
		{"throttled for good", []string{"400 Throttling"}, 3, true, false},
		{"a 503, then answered", []string{"503 ServiceUnavailable", "200"}, 2, true, true},
		{"refused for good", []string{"403 AccessDenied"}, 1, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{answers: c.answers}
				clock := &counting{}
				reads := awserr.NewReads(clock)
				_, err := client(w).DescribeGlobalClusters(t.Context(), &rds.DescribeGlobalClustersInput{}, func(o *rds.Options) { o.Retryer = reads.Call() })
				if (err == nil) != c.good {
					t.Errorf("error %v", err)
				}
				if got := w.sent.Load(); got != c.sent {
					t.Errorf("sent %d times, want %d", got, c.sent)
				}
				if slept := clock.slept.Load(); slept != c.sent-1 {
					t.Errorf("slept %d times on the clock, want %d", slept, c.sent-1)
				}
			})
		})
	}
}

// counting is the real clock, counting how often somebody slept on it.
type counting struct {
	incident.RealClock
	slept atomic.Int64
}

func (c *counting) Sleep(ctx context.Context, d time.Duration) error {
	c.slept.Add(1)
	return c.RealClock.Sleep(ctx, d)
}

func TestARetryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answers: []string{"400 Throttling"}}
		ctx, stop := context.WithCancelCause(t.Context())
		slow := errors.New("nobody waits any more")
		clock := &stopping{stop: func() { stop(slow) }}
		_, err := client(w).DescribeGlobalClusters(ctx, &rds.DescribeGlobalClustersInput{}, func(o *rds.Options) { o.Retryer = awserr.NewReads(clock).Call() })
		if err == nil || w.sent.Load() != 1 {
			t.Errorf("sent %d times, error %v", w.sent.Load(), err)
		}
	})
}

type stopping struct {
	incident.RealClock
	stop func()
}

func (c *stopping) Sleep(ctx context.Context, d time.Duration) error {
	c.stop()
	return c.RealClock.Sleep(ctx, d)
}

func TestAChangeLeavesOnce(t *testing.T) {
	for _, answer := range []string{"400 Throttling", "503 ServiceUnavailable", "cut"} {
		w := &wire{answers: []string{answer}}
		_, err := client(w).FailoverGlobalCluster(t.Context(), &rds.FailoverGlobalClusterInput{
			GlobalClusterIdentifier: aws.String("g"), TargetDbClusterIdentifier: aws.String("arn:x"),
		}, func(o *rds.Options) { o.Retryer = awserr.Once() })
		if err == nil || w.sent.Load() != 1 {
			t.Errorf("%s: sent %d times, error %v", answer, w.sent.Load(), err)
		}
	}
}

func TestWhatAnErrorMeans(t *testing.T) {
	for _, c := range []struct {
		answer               string
		retry, maybe, person bool
		says                 string
	}{
		{"400 Throttling", true, false, false, "throttled"},
		{"429 TooMany", true, false, false, "throttled"},
		{"403 AccessDenied", false, false, true, "AccessDenied"},
		{"403 ExpiredToken", false, false, true, "ExpiredToken"},
		{"400 InvalidGlobalClusterStateFault", false, true, true, "InvalidGlobalClusterStateFault"},
		{"404 GlobalClusterNotFoundFault", false, false, true, "GlobalClusterNotFoundFault"},
		{"400 InvalidParameterValue", false, false, true, "InvalidParameterValue"},
		{"500 InternalFailure", false, true, false, "InternalFailure"},
		{"503 ServiceUnavailable", false, true, false, "ServiceUnavailable"},
		{"cut", false, true, false, "unexpected EOF"},
	} {
		t.Run(c.answer, func(t *testing.T) {
			w := &wire{answers: []string{c.answer}}
			_, err := client(w).FailoverGlobalCluster(t.Context(), &rds.FailoverGlobalClusterInput{
				GlobalClusterIdentifier: aws.String("g"), TargetDbClusterIdentifier: aws.String("arn:x"),
			}, func(o *rds.Options) { o.Retryer = awserr.Once() })
			sorted := awserr.Sort(t.Context(), err)
			var f *incident.CallError
			if !errors.As(sorted, &f) {
				t.Fatalf("%v is not sorted", sorted)
			}
			if f.Retry != c.retry || f.Unknown != c.maybe || f.NeedsPerson != c.person {
				t.Errorf("%v: retry %t maybe %t person %t", f, f.Retry, f.Unknown, f.NeedsPerson)
			}
			if !strings.Contains(f.Error(), c.says) || !strings.Contains(f.Error(), "RDS FailoverGlobalCluster") {
				t.Errorf("it says %q", f)
			}
			if c.person && c.answer != "400 InvalidParameterValue" && f.Hint == "" {
				t.Errorf("%v: nothing tells the person what to do", f)
			}
			for _, secret := range []string{"AKIDEXAMPLE", "secret", "Signature"} {
				if strings.Contains(sorted.Error(), secret) {
					t.Errorf("%q is in %q", secret, sorted)
				}
			}
			if !errors.Is(sorted, err) {
				t.Error("the SDK's error is no longer inside")
			}
			var read *incident.CallError
			if !errors.As(awserr.SortRead(t.Context(), err), &read) || read.Unknown {
				t.Errorf("a read that may have happened: %v", read)
			}
		})
	}
}

// page answers every request with the same status and body, as a web server does
// that is no AWS.
type page struct {
	status int
	body   string
}

func (p page) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: p.status, Header: http.Header{"Content-Type": {"text/html"}}, Body: io.NopCloser(strings.NewReader(p.body)), Request: r}, nil
}

// Each service's protocol stumbles over a foreign answer in its own way; people
// read the same sentence.
func TestAnAnswerThatCannotBeReadIsSaidToBe(t *testing.T) {
	for _, c := range []struct {
		name   string
		page   page
		person bool
	}{
		{"a web page", page{404, "<!doctype html><html><body>no such page"}, true},
		{"a word", page{404, "not found"}, true},
		{"nothing", page{404, ""}, true},
		{"a redirect", page{301, "moved"}, true},
		{"a gateway's page", page{502, "<html>bad gateway</html>"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := aws.Config{
				Region: "us-west-2", HTTPClient: c.page, Retryer: awserr.Once,
				Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
			}
			_, query := rds.NewFromConfig(config).DescribeGlobalClusters(t.Context(), &rds.DescribeGlobalClustersInput{})
			_, cbor := cloudwatch.NewFromConfig(config).ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{})
			for operation, err := range map[string]error{"RDS DescribeGlobalClusters": query, "CloudWatch ListMetrics": cbor} {
				var change, read *incident.CallError
				if !errors.As(awserr.Sort(t.Context(), err), &change) || !errors.As(awserr.SortRead(t.Context(), err), &read) {
					t.Fatalf("%v is not sorted", err)
				}
				want := fmt.Sprintf("%s: the answer (HTTP %d) could not be read: ", operation, c.page.status)
				if !strings.HasPrefix(change.Error(), want) || len(change.Error()) == len(want) || !strings.Contains(change.Hint, "AWS_ENDPOINT_URL") {
					t.Errorf("it says %q, hint %q", change, change.Hint)
				}
				if !change.Unknown || change.Retry || change.NeedsPerson != c.person {
					t.Errorf("a change: %+v", change)
				}
				if read.Unknown || read.Retry == c.person || read.NeedsPerson != c.person {
					t.Errorf("a read: %+v", read)
				}
				if awserr.Missing(err) {
					t.Errorf("somebody's 404 was taken for the thing not being there: %v", err)
				}
			}
		})
	}
	_, err := cloudwatch.NewFromConfig(aws.Config{Region: "us-west-2", HTTPClient: page{429, "slow down"}, Retryer: awserr.Once}).ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{})
	if f := incident.CallErrorOf(awserr.SortRead(t.Context(), err)); f.NeedsPerson || !f.Retry || !strings.Contains(f.Error(), "throttled") {
		t.Errorf("a 429 is for waiting: %+v", f)
	}
}

func TestATypedErrorStaysTyped(t *testing.T) {
	w := &wire{answers: []string{"404 GlobalClusterNotFoundFault"}}
	_, err := client(w).DescribeGlobalClusters(t.Context(), &rds.DescribeGlobalClustersInput{}, func(o *rds.Options) { o.Retryer = awserr.Once() })
	if _, ok := errors.AsType[*types.GlobalClusterNotFoundFault](awserr.SortRead(t.Context(), err)); !ok {
		t.Errorf("%v", err)
	}
}

// The clock of a rehearsal ends a context by cancelling it with a cause.
func TestATimeOutSaysWhatTookTooLong(t *testing.T) {
	w := &wire{answers: []string{"hang"}}
	ctx, stop := context.WithCancelCause(t.Context())
	stop(fmt.Errorf("aurora.failover did not answer within 15 s: %w", context.DeadlineExceeded))
	_, err := client(w).FailoverGlobalCluster(ctx, &rds.FailoverGlobalClusterInput{
		GlobalClusterIdentifier: aws.String("g"), TargetDbClusterIdentifier: aws.String("arn:x"),
	}, func(o *rds.Options) { o.Retryer = awserr.Once() })
	var f *incident.CallError
	if !errors.As(awserr.Sort(ctx, err), &f) || !f.Unknown || f.Retry || !strings.Contains(f.Error(), "within 15 s") {
		t.Errorf("%+v", f)
	}
}

func TestAnInputThatIsIncompleteNeverLeaves(t *testing.T) {
	w := &wire{answers: []string{"200"}}
	_, err := client(w).FailoverGlobalCluster(t.Context(), &rds.FailoverGlobalClusterInput{}, func(o *rds.Options) { o.Retryer = awserr.Once() })
	var f *incident.CallError
	if !errors.As(awserr.Sort(t.Context(), err), &f) || f.Unknown || !f.NeedsPerson || w.sent.Load() != 0 {
		t.Errorf("%+v, sent %d times", f, w.sent.Load())
	}
}

func TestNothingIsNothing(t *testing.T) {
	if awserr.Sort(t.Context(), nil) != nil || awserr.SortRead(t.Context(), nil) != nil {
		t.Error("nil became a fault")
	}
}
