package sim

import (
	"net/url"

	"github.com/aws/aws-sdk-go-v2/service/sts"
)

var stsAPI = awsAPI{
	system: "aws.sts",
	operations: map[string]operation{
		"GetCallerIdentity": reads(func(request, *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
			return &sts.GetCallerIdentityOutput{
				Account: ptr(account), UserId: ptr("AROAPRETEND:" + ownRole),
				Arn: ptr("arn:aws:sts::" + account + ":assumed-role/" + ownRole + "/" + url.PathEscape("rehearsal")),
			}, nil
		}),
	},
}
