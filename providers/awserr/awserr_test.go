package awserr_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
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
	message string   // of an error; "because" if empty
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
		body = "<ErrorResponse><Error><Code>" + code + "</Code><Message>" + cmp.Or(w.message, "because") + "</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
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
		{"throttled ten times, then answered", append(slices.Repeat([]string{"400 Throttling"}, 10), "200"), 11, true, true},
		{"a 503 for good", []string{"503 ServiceUnavailable"}, 3, true, false},
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

// A read that is throttled is asked again for as long as its step has time, and what is
// said then is that it is throttled.
func TestAThrottledReadIsAskedAgainWithinItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answers: []string{"400 Throttling"}}
		began := time.Now()
		ctx, stop := context.WithTimeoutCause(t.Context(), 30*time.Second, errors.New("not known within 30s"))
		defer stop()
		_, err := client(w).DescribeGlobalClusters(ctx, &rds.DescribeGlobalClustersInput{}, func(o *rds.Options) { o.Retryer = awserr.NewReads(incident.RealClock{}).Call() })
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("it gave up after %s", took)
		}
		if n := w.sent.Load(); n < 5 || n > 60 {
			t.Errorf("sent %d times in 30 s", n)
		}
		if f := incident.CallErrorOf(awserr.SortRead(ctx, err)); !f.Retry || f.NeedsPerson || !strings.Contains(f.Error(), "throttled (Throttling") {
			t.Errorf("%+v", f)
		}
	})
}

// Many reads of a Region that is down stop asking it again, and those of another Region
// have a budget of their own.
func TestARegionThatIsDownIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := awserr.NewReads(incident.RealClock{})
		retrying := func(o *rds.Options) { o.Retryer = reads.Call() }
		down := &wire{answers: []string{"503 ServiceUnavailable"}}
		for range 100 {
			_, err := client(down).DescribeGlobalClusters(t.Context(), &rds.DescribeGlobalClustersInput{}, retrying)
			if f := incident.CallErrorOf(awserr.SortRead(t.Context(), err)); !f.Retry || !strings.Contains(f.Error(), "ServiceUnavailable") {
				t.Fatalf("%+v", f)
			}
		}
		if n := down.sent.Load(); n > 125 {
			t.Errorf("100 reads were sent %d times", n)
		}
		well := &wire{answers: []string{"503 ServiceUnavailable", "200"}}
		if _, err := client(well, func(o *rds.Options) { o.Region = "eu-west-1" }).DescribeGlobalClusters(t.Context(), &rds.DescribeGlobalClustersInput{}, retrying); err != nil {
			t.Errorf("another Region: %v", err)
		}
	})
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

// Why a call was refused is told as what it is, whatever service says so.
func TestAKnownReasonIsTold(t *testing.T) {
	for answer, says := range map[string]string{
		"403 RequestTimeTooSkewed":               "check the clock",
		"403 RequestExpired":                     "check the clock",
		"400 RequestInTheFuture":                 "check the clock",
		"403 SignatureDoesNotMatch":              "check the clock of the bot's host, then its secret key",
		"403 InvalidSignatureException":          "check the clock of the bot's host, then its secret key",
		"400 IncompleteSignature":                "the signature does not fit",
		"403 ExpiredToken":                       "have run out: renew them",
		"400 ExpiredTokenException":              "have run out: renew them",
		"403 InvalidClientTokenId":               "does not know the bot's access key",
		"400 UnrecognizedClientException":        "does not know the bot's access key",
		"403 InvalidAccessKeyId":                 "does not know the bot's access key",
		"401 AuthFailure":                        "does not know the bot's access key",
		"403 MissingAuthenticationToken":         "arrived unsigned",
		"403 OptInRequired":                      "not signed up",
		"403 SubscriptionRequiredException":      "not signed up",
		"403 AccessDenied":                       "widen the role",
		"400 AccessDeniedException":              "widen the role",
		"403 SomethingNew":                       "widen the role",
		"401 SomethingNew":                       "credentials are not accepted",
		"403 AccountProblem":                     "AWS holds the account back",
		"301 PermanentRedirect":                  "another Region",
		"400 KMSKeyNotAccessibleFault":           "encryption key",
		"400 InsufficientDBClusterCapacityFault": "no capacity",
		"400 InstanceQuotaExceeded":              "quota",
	} {
		w := &wire{answers: []string{answer}}
		_, err := client(w).DescribeGlobalClusters(t.Context(), &rds.DescribeGlobalClustersInput{}, func(o *rds.Options) { o.Retryer = awserr.Once() })
		f := incident.CallErrorOf(awserr.SortRead(t.Context(), err))
		if !f.NeedsPerson || f.Retry || f.Unknown || !strings.Contains(f.Hint, says) {
			t.Errorf("%s: %+v, hint %q", answer, f, f.Hint)
		}
		if strings.Contains(says, "clock") && strings.Contains(f.Hint, "renew") {
			t.Errorf("%s: credentials are blamed for a clock: %s", answer, f.Hint)
		}
	}
	w := &wire{answers: []string{"403 AccessDenied"}, message: "User: arn:aws:sts::123456789012:assumed-role/bot/i is not authorized to perform: rds:DescribeGlobalClusters with an explicit deny in a service control policy"}
	_, err := client(w).DescribeGlobalClusters(t.Context(), &rds.DescribeGlobalClustersInput{}, func(o *rds.Options) { o.Retryer = awserr.Once() })
	if f := incident.CallErrorOf(awserr.SortRead(t.Context(), err)); !f.NeedsPerson || !strings.Contains(f.Hint, "widening the role does not help") {
		t.Errorf("an explicit deny: hint %q", f.Hint)
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
