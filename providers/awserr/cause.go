package awserr

import (
	"context"
	"errors"
	"net/http"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/failoverbot/failoverbot/incident"
)

// located is an error of a call, and the Region of its client.
type located struct {
	region string
	err    error
}

func (l *located) Error() string { return l.err.Error() }
func (l *located) Unwrap() error { return l.err }

// InRegion makes the errors of a client say which Region it asked, for the cause that
// [Sort] gives them. It is an option of the client's API.
func InRegion(region string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("RegionOfErrors", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, md, err := next.HandleInitialize(ctx, in)
			return out, md, At(region, err)
		}), middleware.Before)
	}
}

// At makes the error of a call say which Region it asked, for the cause that [Sort] gives
// it, where that is told by no client of the SDK. It is nil for nil.
func At(region string, err error) error {
	if err == nil {
		return nil
	}
	return &located{region, err}
}

// everywhere are causes that have nothing to do with what was asked, by the hint of
// their kind: whoever calls AWS next meets them too.
var everywhere = map[string]string{
	hints["ExpiredToken"]:               "the bot's AWS credentials have run out",
	hints["RequestTimeTooSkewed"]:       "AWS takes no calls, for the clock of the bot's host is off",
	hints["SignatureDoesNotMatch"]:      "AWS does not accept the signature of the bot's calls",
	hints["InvalidClientTokenId"]:       "AWS does not know the bot's access key",
	hints["MissingAuthenticationToken"]: "the bot's calls arrive at AWS unsigned",
	hints["AccountProblem"]:             "AWS holds the account back",
	notAccepted:                         "AWS does not accept the bot's credentials",
}

// cause is why a call failed where other calls may fail for the same; nil where it is
// its own.
func cause(ctx context.Context, err error, f *incident.CallError) *incident.Cause {
	if says := everywhere[f.Hint]; says != "" && f.Hint != "" {
		return &incident.Cause{Says: says}
	}
	c := &incident.Cause{System: service(err)}
	if at, ok := errors.AsType[*located](err); ok {
		c.Region = at.region
	}
	switch {
	case errors.As(err, new(*Unsigned)):
		return &incident.Cause{Says: "the bot has no AWS credentials"}
	case throttled(err):
		c.Says = "throttled by"
	case Code(err) == "" && context.Cause(ctx) != nil:
		c.Says = "no answer from"
	case Code(err) == "" && unsent(err):
		c.Says = "no connection to"
	case passing[Code(err)] || status(err) >= http.StatusInternalServerError:
		c.Says = "errors of its own from"
	default:
		return nil
	}
	return c
}

// service is what people call the service that was called.
func service(err error) string {
	var op *smithy.OperationError
	if !errors.As(err, &op) {
		return "AWS"
	}
	return op.Service()
}
