package sim

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2t "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	sqt "github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
)

// AccountUse is what the account uses in a Region, and what it may use there.
type AccountUse struct {
	// VCPUs are those of On-Demand Standard instances; Unpublished: EC2 does not tell them.
	VCPUs       float64 `json:"vcpus"`
	Unpublished bool    `json:"unpublished,omitempty"`
	// Interfaces is how many network interfaces there are.
	Interfaces int `json:"interfaces"`
	// Quotas are those that were applied to the account, by code; the others are AWS's
	// defaults. One of Withheld has no value.
	Quotas   map[string]float64 `json:"quotas"`
	Withheld string             `json:"withheld,omitempty"`
}

func beginAccount() AccountUse {
	return AccountUse{VCPUs: 96, Interfaces: 1040, Quotas: map[string]float64{"L-1216C47A": 640}}
}

// usualQuotas are AWS's defaults, by service and code.
var usualQuotas = map[string]float64{
	"ec2/L-1216C47A": 5, "vpc/L-DF5E4CA3": 5000,
	"elasticloadbalancing/L-7E6692B2": 1000, "elasticloadbalancing/L-EEF1AD04": 3000, "elasticloadbalancing/L-A0D0B863": 1000,
}

var quotasAPI = awsAPI{
	system: "aws.servicequotas",
	operations: map[string]operation{
		"GetServiceQuota":           reads(getServiceQuota),
		"GetAWSDefaultServiceQuota": reads(getDefaultQuota),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *servicequotas.GetServiceQuotaInput:
			return deref(in.ServiceCode) + "/" + deref(in.QuotaCode)
		case *servicequotas.GetAWSDefaultServiceQuotaInput:
			return deref(in.ServiceCode) + "/" + deref(in.QuotaCode)
		}
		return ""
	},
}

func noQuota() error {
	return &sqt.NoSuchResourceException{Message: ptr("The request failed because the specified service quota does not exist.")}
}

// aQuota is a quota as Service Quotas tells it.
func (r request) aQuota(service, code string, value float64) *sqt.ServiceQuota {
	q := &sqt.ServiceQuota{ServiceCode: ptr(service), QuotaCode: ptr(code), Value: ptr(value), Adjustable: true}
	if r.Regions[r.region].Account.Withheld == code {
		q.Value, q.ErrorReason = nil, &sqt.ErrorReason{ErrorCode: sqt.ErrorCodeDependencyServiceError, ErrorMessage: ptr("the service did not answer")}
	}
	return q
}

func getServiceQuota(r request, in *servicequotas.GetServiceQuotaInput) (*servicequotas.GetServiceQuotaOutput, error) {
	service, code := deref(in.ServiceCode), deref(in.QuotaCode)
	value, applied := r.Regions[r.region].Account.Quotas[code]
	if _, there := usualQuotas[service+"/"+code]; !there || !applied {
		return nil, noQuota()
	}
	return &servicequotas.GetServiceQuotaOutput{Quota: r.aQuota(service, code, value)}, nil
}

func getDefaultQuota(r request, in *servicequotas.GetAWSDefaultServiceQuotaInput) (*servicequotas.GetAWSDefaultServiceQuotaOutput, error) {
	service, code := deref(in.ServiceCode), deref(in.QuotaCode)
	value, there := usualQuotas[service+"/"+code]
	if !there {
		return nil, noQuota()
	}
	return &servicequotas.GetAWSDefaultServiceQuotaOutput{Quota: r.aQuota(service, code, value)}, nil
}

// uses is what EC2 publishes of the account's use, every five minutes.
func (r request) uses() []series {
	has := r.Regions[r.region].Account
	if has.Unpublished {
		return nil
	}
	return []series{{
		"AWS/Usage", "ResourceCount",
		map[string]string{"Service": "EC2", "Type": "Resource", "Resource": "vCPU", "Class": "Standard/OnDemand"},
		[]Point{{At: r.now.Add(-time.Second).Truncate(5 * time.Minute), Region: r.region, Value: has.VCPUs}},
	}}
}

// describeInterfaces gives so many a page as are asked for.
func describeInterfaces(r request, in *ec2.DescribeNetworkInterfacesInput) (*ec2.DescribeNetworkInterfacesOutput, error) {
	from, _ := strconv.Atoi(deref(in.NextToken)) // none is the first page
	out, all := &ec2.DescribeNetworkInterfacesOutput{}, r.Regions[r.region].Account.Interfaces
	to := min(all, from+int(deref(in.MaxResults)))
	for i := from; i < to; i++ {
		out.NetworkInterfaces = append(out.NetworkInterfaces, ec2t.NetworkInterface{NetworkInterfaceId: ptr(fmt.Sprintf("eni-%05d", i))})
	}
	if to < all {
		out.NextToken = ptr(strconv.Itoa(to))
	}
	return out, nil
}
