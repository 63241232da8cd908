package awserr

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/failoverbot/failoverbot/incident"
)

// What has to do with who asks, and not with what is asked, is one cause for all calls;
// what one call may not do is its own.
func TestWhatIsTheMatterWithWhoAsksIsOneCause(t *testing.T) {
	for code, want := range map[string]string{
		"ExpiredToken": "the bot's AWS credentials have run out", "TokenRefreshRequired": "the bot's AWS credentials have run out",
		"RequestTimeTooSkewed": "AWS takes no calls, for the clock of the bot's host is off", "RequestExpired": "AWS takes no calls, for the clock of the bot's host is off",
		"SignatureDoesNotMatch": "AWS does not accept the signature of the bot's calls", "InvalidClientTokenId": "AWS does not know the bot's access key",
		"MissingAuthenticationToken": "the bot's calls arrive at AWS unsigned", "PendingVerification": "AWS holds the account back",
		"AccessDenied": "", "DBClusterNotFoundFault": "", "ServiceQuotaExceededException": "",
	} {
		var says []string
		for _, service := range []string{"RDS", "S3"} {
			err := SortRead(context.Background(), &smithy.OperationError{ServiceID: service, OperationName: "DescribeThings", Err: &located{"us-west-2", &smithy.GenericAPIError{Code: code, Message: "no"}}})
			f, ok := errors.AsType[*incident.CallError](err)
			if !ok {
				t.Fatalf("%s: %v", code, err)
			}
			if f.Cause != nil {
				says = append(says, f.Cause.Of(f.Cause.System))
			}
		}
		switch {
		case want == "" && len(says) != 0:
			t.Errorf("%s: %q", code, says)
		case want != "" && (len(says) != 2 || says[0] != want || says[1] != want):
			t.Errorf("%s: %q, want %q", code, says, want)
		}
	}
}
