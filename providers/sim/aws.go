package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// AWS is the configuration for clients of one Region. Requests are built,
// checked, signed and retried by the real SDK; what would go over the wire is
// answered by this world. No retryer is set: whoever makes a client decides.
func (w *World) AWS(region string) aws.Config {
	return aws.Config{
		Region: region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDPRETEND", SecretAccessKey: "pretend", Source: "the pretend world"}, nil
		}),
		HTTPClient: noNetwork{},
		APIOptions: []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
			if err := stack.Initialize.Add(keepInput, middleware.After); err != nil {
				return fmt.Errorf("put the pretend world into the SDK: %w", err)
			}
			answer := middleware.DeserializeMiddlewareFunc("PretendWorld", func(ctx context.Context, _ middleware.DeserializeInput, _ middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
				return w.answerAWS(ctx, region)
			})
			// Right above what parses the wire, so that everything else of the SDK
			// sees an answer as it is used to.
			if err := stack.Deserialize.Insert(answer, "OperationDeserializer", middleware.Before); err != nil {
				return fmt.Errorf("put the pretend world into the SDK: %w", err)
			}
			return nil
		}},
	}
}

// noNetwork refuses what the middleware should have answered.
type noNetwork struct{}

// Do refuses.
func (noNetwork) Do(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("the pretend world has no way out: %s %s was not answered inside the SDK", r.Method, r.URL.Host)
}

type inputKey struct{}

// keepInput keeps the typed input for the step that answers.
var keepInput = middleware.InitializeMiddlewareFunc("PretendInput", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	return next.HandleInitialize(middleware.WithStackValue(ctx, inputKey{}, in.Parameters), in)
})

// request is one call of an AWS API, as the functions that answer it see it.
type request struct {
	*State
	region string // that the client is bound to
	now    time.Time
}

// operation is one call of an AWS API that the world can answer.
type operation struct {
	system   string
	mutating bool
	// home is where the API lives; empty for the Region of the client.
	home string
	// answer gives the typed output or one of the SDK's typed errors, and says
	// whether the world changed.
	answer func(r request, in any) (out any, changed bool, err error)
}

// reads makes an operation of a function that only looks.
func reads[In, Out any](system, home string, f func(request, In) (Out, error)) operation {
	return operation{system: system, home: home, answer: func(r request, in any) (any, bool, error) {
		typed, ok := in.(In)
		if !ok {
			return nil, false, fmt.Errorf("the input is a %T", in)
		}
		out, err := f(r, typed)
		return out, false, err
	}}
}

// changes makes an operation of a function that changes the world, unless it
// returns an error.
func changes[In, Out any](system, home string, f func(request, In) (Out, error)) operation {
	op := reads(system, home, f)
	look := op.answer
	op.mutating = true
	op.answer = func(r request, in any) (any, bool, error) {
		out, _, err := look(r, in)
		return out, err == nil, err
	}
	return op
}

// awsOperations are all that the world can answer, by service id and operation.
var awsOperations = func() map[string]map[string]operation {
	all := map[string]map[string]operation{}
	maps.Copy(all, map[string]map[string]operation{
		"RDS": rdsOperations, "ElastiCache": cacheOperations, "CloudWatch": cloudwatchOperations,
		"Route 53": route53Operations, "S3": s3Operations, "Elastic Load Balancing v2": elbOperations, "STS": stsOperations,
	})
	return all
}()

func systems() []string {
	out := []string{"dns", "http", "kubernetes"}
	for _, ops := range awsOperations {
		for _, op := range ops {
			if !slices.Contains(out, op.system) {
				out = append(out, op.system)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Mutating says whether an AWS operation changes things, by its name.
func Mutating(name string) bool {
	for _, ops := range awsOperations {
		if op, ok := ops[name]; ok {
			return op.mutating
		}
	}
	return false
}

// answerAWS is one attempt of one call.
func (w *World) answerAWS(ctx context.Context, region string) (out middleware.DeserializeOutput, md middleware.Metadata, err error) {
	id, name := awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)
	in := middleware.GetStackValue(ctx, inputKey{})
	op, ok := awsOperations[id][name]
	if !ok {
		return out, md, fmt.Errorf("the pretend world has no answer for %s %s", id, name)
	}
	c := Call{System: op.system, Operation: name, Region: region, Mutating: op.mutating, Target: targetOf(in)}
	if op.home != "" {
		c.Region = op.home
	}
	low, high := 80*time.Millisecond, 200*time.Millisecond
	err = w.call(ctx, c, low, high, func(s *State) (bool, error) {
		result, changed, err := op.answer(request{s, region, s.At}, in)
		if err == nil {
			out.Result = result
		}
		return changed, err
	})
	status := http.StatusOK
	if err != nil {
		out.Result = nil
		status, err = asSDK(ctx, err)
	}
	if status != 0 {
		out.RawResponse = &smithyhttp.Response{Response: &http.Response{
			StatusCode: status, Status: http.StatusText(status), Body: http.NoBody,
			Header: http.Header{"X-Amzn-Requestid": {fmt.Sprintf("%08x-0000-4000-8000-%012x", draw(0, 1<<32, name), draw(1, 1<<48, name, w.clock.Now()))}},
		}}
	}
	return out, md, err
}

// targetOf names the one thing that an input is about.
func targetOf(in any) string {
	switch in := in.(type) {
	case *rds.DescribeGlobalClustersInput:
		return deref(in.GlobalClusterIdentifier)
	case *rds.DescribeDBClustersInput:
		return deref(in.DBClusterIdentifier)
	case *rds.SwitchoverGlobalClusterInput:
		return deref(in.TargetDbClusterIdentifier)
	case *rds.FailoverGlobalClusterInput:
		return deref(in.TargetDbClusterIdentifier)
	case *elasticache.FailoverGlobalReplicationGroupInput:
		return deref(in.PrimaryReplicationGroupId)
	case *elasticache.DescribeGlobalReplicationGroupsInput:
		return deref(in.GlobalReplicationGroupId)
	case *route53.GetHealthCheckInput:
		return deref(in.HealthCheckId)
	case *route53.UpdateHealthCheckInput:
		return deref(in.HealthCheckId)
	case *route53.GetHealthCheckStatusInput:
		return deref(in.HealthCheckId)
	case *route53.ListResourceRecordSetsInput:
		return deref(in.HostedZoneId)
	case *route53.ChangeResourceRecordSetsInput:
		return deref(in.HostedZoneId)
	case *route53.GetHostedZoneInput:
		return deref(in.Id)
	case *route53.TestDNSAnswerInput:
		return deref(in.RecordName)
	case *route53.GetChangeInput:
		return deref(in.Id)
	case *s3.HeadBucketInput:
		return deref(in.Bucket)
	case *s3.HeadObjectInput:
		return deref(in.Bucket) + "/" + deref(in.Key)
	case *s3.GetObjectInput:
		return deref(in.Bucket) + "/" + deref(in.Key)
	case *s3.PutObjectInput:
		return deref(in.Bucket) + "/" + deref(in.Key)
	case *s3.DeleteObjectInput:
		return deref(in.Bucket) + "/" + deref(in.Key)
	case *elb.DescribeTargetHealthInput:
		return deref(in.TargetGroupArn)
	case *elb.DescribeTargetGroupsInput:
		return deref(in.LoadBalancerArn)
	}
	return ""
}

// asSDK turns what went wrong into what the SDK's own layers would have made of
// it. A status of 0 means that no response arrived.
func asSDK(ctx context.Context, err error) (status int, _ error) {
	var f *failure
	if !errors.As(err, &f) {
		if api, ok := errors.AsType[smithy.APIError](err); ok {
			switch api.ErrorCode() {
			case "NotFound", "NoSuchKey", "NoSuchBucket":
				return http.StatusNotFound, err
			}
			if api.ErrorFault() == smithy.FaultServer {
				return http.StatusInternalServerError, err
			}
		}
		return http.StatusBadRequest, err
	}
	switch f.kind {
	case Throttle:
		return http.StatusBadRequest, &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded", Fault: smithy.FaultClient}
	case Deny:
		return http.StatusForbidden, &smithy.GenericAPIError{Code: "AccessDenied", Message: "User is not authorized to perform this operation", Fault: smithy.FaultClient}
	case ServerFail:
		return http.StatusServiceUnavailable, &smithy.GenericAPIError{Code: "ServiceUnavailable", Message: "The service is unavailable. Please try again shortly.", Fault: smithy.FaultServer}
	case Hang:
		if ctx.Err() != nil {
			return 0, &smithy.CanceledError{Err: context.Cause(ctx)}
		}
		return 0, &smithyhttp.RequestSendError{Err: &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}}
	case LostAnswer:
		return 0, &smithyhttp.RequestSendError{Err: withCause(&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, f.err)}
	default:
		return 0, &smithyhttp.RequestSendError{Err: withCause(refused(), f.err)}
	}
}

func refused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// withCause keeps why, for errors.Is, beside what it looks like.
func withCause(err, cause error) error {
	if cause == nil {
		return err
	}
	return errors.Join(err, cause)
}
