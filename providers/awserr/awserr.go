// Package awserr answers, for every AWS service in one place, the three things
// the engine asks of an error: may I try again by myself, must a person decide,
// might it have happened anyway.
//
// [Sort] judges a change, [SortRead] a read. [Reads] retries reads on the run's
// own clock; [Once] lets a change leave the process a single time. With AWS down
// both end in a sentence that says which service, which operation, which Region.
//
// What counts as throttling and what as a passing fault is the SDK's decision:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
package awserr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/failoverbot/failoverbot/incident"
)

// answer is an AWS error in the words of the person who has to act on it. The
// SDK's own text names the transport first and the reason last.
type answer struct {
	text string
	err  error
}

func (a *answer) Error() string { return a.text }
func (a *answer) Unwrap() error { return a.err }

// Unsigned is the error of credentials that could not be had: the call that they
// are for has not left.
type Unsigned struct{ Err error }

// Error is what the credentials' own source said.
func (u *Unsigned) Error() string { return u.Err.Error() }

// Unwrap is the same as an error.
func (u *Unsigned) Unwrap() error { return u.Err }

// states are errors that say: not in this state. The thing is busy, or what was
// asked for is done already; only a look tells.
var states = map[string]bool{
	"InvalidGlobalClusterStateFault":          true,
	"InvalidDBClusterStateFault":              true,
	"InvalidDBInstanceState":                  true,
	"InvalidDBInstanceStateFault":             true,
	"InvalidGlobalReplicationGroupState":      true,
	"InvalidGlobalReplicationGroupStateFault": true,
	"InvalidReplicationGroupState":            true,
	"InvalidReplicationGroupStateFault":       true,
	"InvalidCacheClusterState":                true,
	"InvalidCacheClusterStateFault":           true,
	"ConcurrentModificationException":         true,
}

// reason is what people can do about errors of one kind, which do not pass by themselves.
type reason struct {
	codes []string
	hint  string
}

// reasons are the errors that say why a call was refused, whatever service says so. A
// code that the vendor's pages know under several causes names the first thing to look
// at first: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
var reasons = []reason{
	{
		[]string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "NotAuthorized", "Forbidden", "AllAccessDisabled", "UnauthorizedAccess"},
		mayNot,
	},
	{
		[]string{"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "CredentialsExpired"},
		"the bot's AWS credentials have run out: renew them",
	},
	{
		[]string{"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"},
		"the clock of the bot's host is off by minutes: check the clock (NTP); the credentials are not at fault",
	},
	{
		[]string{"SignatureDoesNotMatch", "InvalidSignatureException", "InvalidSignature", "IncompleteSignature", "IncompleteSignatureException", "AuthorizationHeaderMalformed"},
		"the signature does not fit: check the clock of the bot's host, then its secret key, then a proxy that changes requests",
	},
	{
		[]string{"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "InvalidToken", "InvalidSecurityToken", "AuthFailure", "NotAuthenticated"},
		"AWS does not know the bot's access key here: it was deleted, belongs to another partition, or this Region is not enabled for the account",
	},
	{
		[]string{"MissingAuthenticationToken", "MissingAuthenticationTokenException", "MissingSecurityHeader"},
		"the call arrived unsigned: look at the proxy and at AWS_ENDPOINT_URL of the bot's environment",
	},
	{
		[]string{"OptInRequired", "SubscriptionRequiredException", "NotSignedUp", "RegionDisabledException", "RegionNotEnabled"},
		"the account is not signed up for this service or this Region: enable it in the account",
	},
	{
		[]string{"UninitializedAccountException"},
		"nobody has set the service up there: set Elastic Disaster Recovery up in that Region",
	},
	{
		[]string{"AccountProblem", "InvalidPayer", "PendingVerification", "Blocked"},
		"AWS holds the account back: ask AWS Support, and move by hand meanwhile",
	},
	{
		[]string{"PermanentRedirect", "IllegalLocationConstraintException", "IncorrectEndpoint"},
		"it lies in another Region than the settings say: compare them with the account",
	},
	{
		[]string{"KMSAccessDeniedException", "KMSKeyNotAccessibleFault", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException", "KMSKeyDisabled"},
		"its encryption key cannot be used in that Region: look at the key's state and policy",
	},
	{
		[]string{"InsufficientDBClusterCapacityFault", "InsufficientDBInstanceCapacity", "InsufficientStorageClusterCapacity", "InsufficientCacheClusterCapacity", "InsufficientInstanceCapacity"},
		"AWS has no capacity of that kind in that Region: choose another class or zone by hand",
	},
	{
		[]string{"ServiceQuotaExceededException", "LimitExceededException", "LimitExceeded", "InstanceQuotaExceeded", "QuotaExceeded"},
		"a quota of the account is used up: have it raised, or free something",
	},
}

const (
	notAccepted = "the bot's AWS credentials are not accepted: look at them"
	mayNot      = "the bot's role may not do this: let somebody who may do it by hand, or widen the role"
	forbidden   = "a policy forbids this to the bot's role (explicit deny): widening the role does not help, ask who owns that policy or do it by hand"
)

// hints are what people can do, by code.
var hints = func() map[string]string {
	out := map[string]string{}
	for _, r := range reasons {
		for _, code := range r.codes {
			out[code] = r.hint
		}
	}
	return out
}()

// hint is what people can do about a refusal; empty where its code says nothing. An
// explicit deny has the code of every other denial, so it is told by IAM's own words:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func hint(code, message string, status int) string {
	h := hints[code]
	switch {
	case h == "" && status == http.StatusUnauthorized:
		h = notAccepted
	case h == "" && status == http.StatusForbidden:
		h = mayNot
	}
	if h == mayNot && strings.Contains(message, "explicit deny") {
		return forbidden
	}
	return h
}

var passing = map[string]bool{
	"InternalFailure": true, "InternalError": true, "InternalServerError": true, "InternalServiceError": true,
	"ServiceUnavailable": true, "ServiceUnavailableException": true, "RequestTimeout": true,
	"RequestTimeoutException": true, "InternalServiceFault": true,
}

// Sort says what the error of a change means. The result is an *incident.CallError,
// or nil for nil. ctx is the context the call was made with: its cause tells a
// time-out from a call that somebody called off.
func Sort(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*incident.CallError](err); ok {
		return err
	}
	f := sorted(ctx, err)
	f.Cause = cause(ctx, err, f)
	return f
}

func sorted(ctx context.Context, err error) *incident.CallError {
	said := func(format string, args ...any) *answer {
		return &answer{text: where(err) + fmt.Sprintf(format, args...), err: err}
	}

	var api smithy.APIError
	if errors.As(err, &api) && !nameless(err) && !errors.As(err, new(*Unsigned)) {
		code := api.ErrorCode()
		message := api.ErrorMessage()
		if message == "" {
			message = "no further reason given"
		}
		f := &incident.CallError{Err: said("%s: %s", code, message)}
		switch status := status(err); {
		case throttled(err):
			// Refused before anything happened.
			f.Err = said("throttled (%s: %s)", code, message)
			f.Retry = true
		case states[code]:
			f.NeedsPerson, f.Unknown = true, true
			f.Hint = "busy, or already done: look at it again before asking for it again"
		case code == "HealthCheckVersionMismatch":
			f.NeedsPerson = true
			f.Hint = "somebody changed this health check in between: look at what it says now"
		case hint(code, message, status) != "":
			f.NeedsPerson = true
			f.Hint = hint(code, message, status)
		case passing[code] || status >= 500:
			f.Unknown = true
		case absent[code] || strings.HasSuffix(code, "NotFoundFault") || strings.HasPrefix(code, "NoSuch") || strings.HasSuffix(code, ".NotFound") || status == http.StatusNotFound:
			f.NeedsPerson = true
			f.Hint = "no such thing under that name in that Region: compare the settings with the account"
		default:
			// A refusal with a reason: it did not happen, and will not by asking again.
			f.NeedsPerson = true
		}
		return f
	}

	if no, ok := errors.AsType[*Unsigned](err); ok {
		return &incident.CallError{
			Err: said("nothing to sign the call with: %v", innermost(no.Err)), Retry: true,
			Hint: "give the bot's process AWS credentials (a role, a profile, AWS_ACCESS_KEY_ID): nothing was asked",
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		return &incident.CallError{Err: said("no answer: %v", cause), Unknown: true}
	}
	if unsent(err) {
		return &incident.CallError{
			Err: said("not reachable: %v", innermost(err)), Retry: true,
			Hint: "the endpoint could not be connected to, so nothing was asked",
		}
	}
	if invalid, ok := errors.AsType[smithy.InvalidParamsError](err); ok {
		return &incident.CallError{
			Err: said("the request is incomplete: %v", invalid), NeedsPerson: true,
			Hint: "a name is missing in the settings: compare them with the account",
		}
	}
	if throttled(err) {
		return &incident.CallError{Err: said("throttled (HTTP %d)", status(err)), Retry: true}
	}
	if status := status(err); status != 0 {
		// Something answered, and not as that service does.
		return &incident.CallError{
			Err: said("the answer (HTTP %d) could not be read: %s", status, unread(err)), Unknown: true,
			NeedsPerson: status >= 300 && status < 500,
			Hint:        "something else than AWS may have answered: look at AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_<SERVICE> and the proxy of the bot's environment",
		}
	}
	return &incident.CallError{Err: said("%v", innermost(err)), Unknown: true}
}

// SortRead says what the error of a read means: as [Sort], but nothing can have
// happened, and what passed by itself may be asked again.
func SortRead(ctx context.Context, err error) error {
	err = Sort(ctx, err)
	var f *incident.CallError
	if !errors.As(err, &f) {
		return err
	}
	read := *f
	if read.Unknown {
		read.Unknown = false
		read.Retry = !read.NeedsPerson
	}
	return &read
}

// absent are codes that say that a thing is not there, of services that have a word of
// their own for it.
var absent = map[string]bool{
	"NotFound": true, "ResourceNotFoundException": true, "WAFNonexistentItemException": true,
	"QueueDoesNotExist": true, "AWS.SimpleQueueService.NonExistentQueue": true,
}

// Code is the service's own name for the error, or empty.
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// Missing says that the thing asked about is not there. A 404 that names no reason
// does not say so: it may be anybody's.
func Missing(err error) bool {
	code := Code(err)
	return absent[code] || strings.HasPrefix(code, "NoSuch") ||
		status(err) == http.StatusNotFound && code != "" && !nameless(err)
}

// Refused says that whoever asked may not: a right is missing, or a policy forbids it.
func Refused(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	h := hint(api.ErrorCode(), api.ErrorMessage(), status(err))
	return h == mayNot || h == forbidden
}

// nameless says that an answer was no success and gave no error that the SDK
// could find; it then makes one up.
func nameless(err error) bool {
	return Code(err) == "UnknownError" && !throttled(err)
}

// unread is what the SDK stumbled over in an answer, without its words around it.
func unread(err error) string {
	var de *smithy.DeserializationError
	if errors.As(err, &de) && de.Err != nil {
		return de.Err.Error()
	}
	var r *smithyhttp.ResponseError
	if errors.As(err, &r) && r.Err != nil && Code(err) == "" {
		return r.Err.Error()
	}
	if code := Code(err); code != "" {
		return code
	}
	return innermost(err).Error()
}

func throttled(err error) bool {
	if status(err) == http.StatusTooManyRequests {
		return true
	}
	return retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary
}

func status(err error) int {
	if r, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return r.HTTPStatusCode()
	}
	if s, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return s.HTTPStatusCode()
	}
	return 0
}

// unsent says that no connection came about, so the request never left.
func unsent(err error) bool {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func where(err error) string {
	var op *smithy.OperationError
	if !errors.As(err, &op) {
		return ""
	}
	return op.Service() + " " + op.Operation() + ": "
}

func innermost(err error) error {
	for {
		var op *smithy.OperationError
		if errors.As(err, &op) && op.Err != nil && op.Err != err {
			err = op.Err
			continue
		}
		var tries *retry.MaxAttemptsError
		if errors.As(err, &tries) && tries.Err != nil && tries.Err != err {
			err = tries.Err
			continue
		}
		return err
	}
}
