package sim

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekst "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamt "github.com/aws/aws-sdk-go-v2/service/iam/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var accountsGVR = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}

// issuerOf is how a Region's cluster signs the tokens of its service accounts.
func issuerOf(region string) string {
	return fmt.Sprintf("https://oidc.eks.%s.amazonaws.com/id/%032X", region, draw(0, 1<<62, "oidc", region))
}

func roleARN(service string) string {
	return "arn:aws:iam::" + account + ":role/ecommerce/" + roleName(service)
}

func roleName(service string) string { return "ecommerce-" + service }

// beginRoles are one for each service, which trusts the clusters of both Regions: the
// policies that say who may take a role on, by its ARN.
func beginRoles() map[string]string {
	out := map[string]string{}
	for _, name := range serviceNames() {
		var statements []any
		for _, region := range regionNames {
			provider := strings.TrimPrefix(issuerOf(region), "https://")
			statements = append(statements, keys{
				"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
				"Principal": keys{"Federated": "arn:aws:iam::" + account + ":oidc-provider/" + provider},
				"Condition": keys{"StringEquals": keys{provider + ":aud": "sts.amazonaws.com", provider + ":sub": "system:serviceaccount:" + namespace + ":" + name}},
			})
		}
		data, err := json.Marshal(keys{"Version": "2012-10-17", "Statement": statements})
		if err != nil {
			panic(err) // texts alone
		}
		out[roleARN(name)] = string(data)
	}
	return out
}

// beginAccounts are the service accounts of a Region's cluster, each with the ARN of the
// role that it is annotated with.
func beginAccounts() map[string]string {
	out := map[string]string{"default": ""}
	for _, name := range serviceNames() {
		out[name] = roleARN(name)
	}
	return out
}

// accountObject is a service account as the API shows it.
func (r *Region) accountObject(name string) *corev1.ServiceAccount {
	o := &corev1.ServiceAccount{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: uidOf(r.Name, "serviceaccount", name), ResourceVersion: fmt.Sprint(r.Versions)},
	}
	if role := r.Accounts[name]; role != "" {
		o.Annotations = map[string]string{"eks.amazonaws.com/role-arn": role}
	}
	return o
}

// openID is where the API server says how it signs tokens.
func (r *Region) openID() (code int, body string) {
	issuer := issuerOf(r.Name)
	return 200, fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}`, issuer, issuer+"/keys")
}

var iamAPI = awsAPI{
	system: "aws.iam", home: homeRegion,
	operations: map[string]operation{
		"GetRole":                 reads(getRole),
		"SimulatePrincipalPolicy": reads(simulatePolicy).lostAs(Refuse),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *iam.GetRoleInput:
			return deref(in.RoleName)
		case *iam.SimulatePrincipalPolicyInput:
			return ownRole
		}
		return ""
	},
}

func getRole(r request, in *iam.GetRoleInput) (*iam.GetRoleOutput, error) {
	name := deref(in.RoleName)
	if name == ownRole {
		return &iam.GetRoleOutput{Role: &iamt.Role{Arn: ptr(ownRoleARN()), RoleName: ptr(name), Path: ptr("/bots/")}}, nil
	}
	for _, arn := range sortedKeys(r.Roles) {
		if arn[strings.LastIndex(arn, "/")+1:] == name {
			return &iam.GetRoleOutput{Role: &iamt.Role{
				Arn: ptr(arn), RoleName: ptr(name), Path: ptr("/ecommerce/"), AssumeRolePolicyDocument: ptr(url.QueryEscape(r.Roles[arn])),
			}}, nil
		}
	}
	return nil, &iamt.NoSuchEntityException{Message: ptr("The role with name " + name + " cannot be found.")}
}

var eksAPI = awsAPI{
	system: "aws.eks",
	operations: map[string]operation{
		"ListClusters":                   reads(listClusters).lostAs(Refuse),
		"DescribeCluster":                reads(describeCluster).lostAs(Refuse),
		"ListPodIdentityAssociations":    reads(listPodIdentities),
		"DescribePodIdentityAssociation": reads(describePodIdentity),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *eks.DescribeClusterInput:
			return deref(in.Name)
		case *eks.ListPodIdentityAssociationsInput:
			return deref(in.ClusterName)
		case *eks.DescribePodIdentityAssociationInput:
			return deref(in.ClusterName)
		}
		return ""
	},
}

// eksCluster is the name of every Region's cluster.
const eksCluster = "ecommerce-prod"

// clusterCA is what a cluster's certificate is signed by, as EKS tells it: a certificate of
// nothing.
const clusterCA = "" +
	"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJmRENDQVNHZ0F3SUJBZ0lVVklCVE16Q3oxU2JpVTJ5bjZ2emhiMEg1a2pB" +
	"d0NnWUlLb1pJemowRUF3SXcKRWpFUU1BNEdBMVVFQXd3SGNISmxkR1Z1WkRBZ0Z3MHlOakV4TWpnd016QTBNekJhR0E4eU1USTJN" +
	"VEV3TkRBegpNRFF6TUZvd0VqRVFNQTRHQTFVRUF3d0hjSEpsZEdWdVpEQlpNQk1HQnlxR1NNNDlBZ0VHQ0NxR1NNNDlBd0VICkEw" +
	"SUFCSjJOcVdiMU90MVRsZmYzZVRxYXZKcnZucmpBUUZYOTV6ejdaMTdqSzZMT2lMMEtqKzhTdVBXdnZvY2oKR2JwUDgvMzVGeVVP" +
	"MXFNL3NDMk5FcGdmUEpPalV6QlJNQjBHQTFVZERnUVdCQlFFclJ0Uit1MHRudmgwaXRXVgphQWJuUzNDWjNUQWZCZ05WSFNNRUdE" +
	"QVdnQlFFclJ0Uit1MHRudmgwaXRXVmFBYm5TM0NaM1RBUEJnTlZIUk1CCkFmOEVCVEFEQVFIL01Bb0dDQ3FHU000OUJBTUNBMGtB" +
	"TUVZQ0lRQ2x0ZVZpWllzbXljV2YrK2djS2dNYk1kYzcKV2hXSWJabS9UYTJLQ2FwRTZ3SWhBUGxlZldVbjk1VjZVQ0FMZUVkVGxZ" +
	"bCs2WHhKTHNwRVY1L20xZm5BdkZHdQotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg=="

func listClusters(r request, _ *eks.ListClustersInput) (*eks.ListClustersOutput, error) {
	return &eks.ListClustersOutput{Clusters: append([]string{eksCluster}, r.Regions[r.region].OtherClusters...)}, nil
}

func describeCluster(r request, in *eks.DescribeClusterInput) (*eks.DescribeClusterOutput, error) {
	if deref(in.Name) != eksCluster && !slices.Contains(r.Regions[r.region].OtherClusters, deref(in.Name)) {
		return nil, &ekst.ResourceNotFoundException{Message: ptr("No cluster found for name: " + deref(in.Name) + ".")}
	}
	return &eks.DescribeClusterOutput{Cluster: &ekst.Cluster{
		Name: in.Name, Arn: ptr("arn:aws:eks:" + r.region + ":" + account + ":cluster/" + deref(in.Name)), Status: ekst.ClusterStatusActive,
		Endpoint:             ptr(fmt.Sprintf("https://%032X.gr7.%s.eks.amazonaws.com", draw(0, 1<<62, "eks", r.region, deref(in.Name)), r.region)),
		CertificateAuthority: &ekst.Certificate{Data: ptr(clusterCA)},
		ResourcesVpcConfig:   &ekst.VpcConfigResponse{VpcId: ptr(vpcID(r.region))},
	}}, nil
}

func listPodIdentities(r request, in *eks.ListPodIdentityAssociationsInput) (*eks.ListPodIdentityAssociationsOutput, error) {
	if deref(in.ClusterName) != eksCluster {
		return nil, &ekst.ResourceNotFoundException{Message: ptr("No cluster found for name: " + deref(in.ClusterName) + ".")}
	}
	out := &eks.ListPodIdentityAssociationsOutput{}
	if deref(in.Namespace) == namespace {
		for _, name := range sortedKeys(r.Regions[r.region].PodIdentities) {
			out.Associations = append(out.Associations, ekst.PodIdentityAssociationSummary{
				AssociationId: ptr("a-" + name), ClusterName: in.ClusterName, Namespace: in.Namespace, ServiceAccount: ptr(name),
			})
		}
	}
	return out, nil
}

func describePodIdentity(r request, in *eks.DescribePodIdentityAssociationInput) (*eks.DescribePodIdentityAssociationOutput, error) {
	name := strings.TrimPrefix(deref(in.AssociationId), "a-")
	role, there := r.Regions[r.region].PodIdentities[name]
	if !there || deref(in.ClusterName) != eksCluster {
		return nil, &ekst.ResourceNotFoundException{Message: ptr("No association found for id: " + deref(in.AssociationId) + ".")}
	}
	return &eks.DescribePodIdentityAssociationOutput{Association: &ekst.PodIdentityAssociation{
		AssociationId: in.AssociationId, ClusterName: in.ClusterName, Namespace: ptr(namespace), ServiceAccount: ptr(name), RoleArn: ptr(role),
	}}, nil
}
