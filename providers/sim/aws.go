package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// What requests are signed with.
const pretendKey, pretendSecret = "AKIDPRETEND", "pretend"

// AWS is the configuration for clients of one Region. Requests are built,
// checked, signed and retried by the real SDK; what would go over the wire is
// answered by this world. No retryer is set: whoever makes a client decides.
func (w *World) AWS(region string) aws.Config {
	return aws.Config{
		Region: region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: pretendKey, SecretAccessKey: pretendSecret, Source: "the pretend world"}, nil
		}),
		HTTPClient: awsHTTP{w},
		APIOptions: []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
			if err := stack.Initialize.Add(keepInput, middleware.After); err != nil {
				return fmt.Errorf("put the pretend world into the SDK: %w", err)
			}
			answer := middleware.DeserializeMiddlewareFunc("PretendWorld", func(ctx context.Context, in middleware.DeserializeInput, _ middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
				return w.answerAWS(ctx, region, anonymous(in))
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

// anonymous says that nobody signed the request.
func anonymous(in middleware.DeserializeInput) bool {
	r, ok := in.Request.(*smithyhttp.Request)
	return ok && r.Header.Get("Authorization") == ""
}

// awsHTTP answers what is sent to the endpoints of the routing controls' cluster, for which
// there is no client in the SDK, and refuses what the middleware should have answered.
type awsHTTP struct{ *World }

// Do answers a request.
func (a awsHTTP) Do(r *http.Request) (*http.Response, error) {
	if region := clusterRegion(r.URL.Host); region != "" {
		return a.answerCluster(r, region)
	}
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
	// anonymous: nobody signed it.
	anonymous bool
}

// awsAPI is one service of AWS, as far as the world can answer for it.
type awsAPI struct {
	system string // its name in calls.jsonl
	// home is where the API lives; empty for the Region of the client.
	home       string
	operations map[string]operation
	// target names the one thing that an input is about; nil if nothing can be named.
	target func(in any) string
}

// operation is one call of an AWS API that the world can answer.
type operation struct {
	mutating bool
	// lost is how it fails in a lost Region; empty for one of the three ways, in turn.
	lost string
	// answer gives the typed output or one of the SDK's typed errors, and says
	// whether the world changed.
	answer func(r request, in any) (out any, changed bool, err error)
}

// reads makes an operation of a function that only looks.
func reads[In, Out any](f func(request, In) (Out, error)) operation {
	return operation{answer: func(r request, in any) (any, bool, error) {
		typed, ok := in.(In)
		if !ok {
			return nil, false, fmt.Errorf("the input is a %T", in)
		}
		out, err := f(r, typed)
		return out, false, err
	}}
}

// lostAs is the operation with a way of its own to fail in a lost Region, so that the
// others of its API keep theirs.
func (o operation) lostAs(way string) operation {
	o.lost = way
	return o
}

// changes makes an operation of a function that changes the world, unless it
// returns an error.
func changes[In, Out any](f func(request, In) (Out, error)) operation {
	op := reads(f)
	look := op.answer
	op.mutating = true
	op.answer = func(r request, in any) (any, bool, error) {
		out, _, err := look(r, in)
		return out, err == nil, err
	}
	return op
}

func systems() []string {
	out := []string{"dns", "http", "kubernetes", "pagerduty"}
	for _, api := range awsAPIs {
		out = append(out, api.system)
	}
	slices.Sort(out)
	return out
}

// Mutating says whether an AWS operation changes things, by its name.
func Mutating(name string) bool {
	for _, api := range awsAPIs {
		if op, ok := api.operations[name]; ok {
			return op.mutating
		}
	}
	return false
}

// answerAWS is one attempt of one call.
func (w *World) answerAWS(ctx context.Context, region string, anonymous bool) (out middleware.DeserializeOutput, md middleware.Metadata, err error) {
	id, name := awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)
	in := middleware.GetStackValue(ctx, inputKey{})
	api := awsAPIs[id]
	op, ok := api.operations[name]
	if !ok {
		return out, md, fmt.Errorf("the pretend world has no answer for %s %s", id, name)
	}
	c := Call{System: api.system, Operation: name, Region: cmp.Or(api.home, region), Mutating: op.mutating}
	if api.target != nil {
		c.Target = api.target(in)
	}
	low, high := 80*time.Millisecond, 200*time.Millisecond
	err = w.call(ctx, c, low, high, func(s *State) (bool, error) {
		result, changed, err := op.answer(request{s, region, s.At, anonymous}, in)
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

// asSDK turns what went wrong into what the SDK's own layers would have made of
// it. A status of 0 means that no response arrived.
func asSDK(ctx context.Context, err error) (status int, _ error) {
	var f *failure
	if !errors.As(err, &f) {
		if api, ok := errors.AsType[smithy.APIError](err); ok {
			switch api.ErrorCode() {
			case "NotFound", "NoSuchKey", "NoSuchBucket":
				return http.StatusNotFound, err
			case "AccessDenied":
				return http.StatusForbidden, err
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
