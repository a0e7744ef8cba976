// The server driven by Microsoft's clients for Go: azidentity, and the core of the Graph client.
//
// msgraph-sdk-go itself is left out: it is that core plus generated models of all of Graph, whose build takes more
// than three minutes and 4 GB, for the same requests.
package clients

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	azureauth "github.com/microsoft/kiota-authentication-azure-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
)

const scope = "https://graph.microsoft.com/.default"

// setting is what with_server.py says about the server under test.
func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: run the tests through with_server.py", name)
	}
	return value
}

func clientOptions(t *testing.T) azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: setting(t, "CLIENTS_AUTHORITY")},
	}
}

func secretCredential(t *testing.T, clientID, secret string) *azidentity.ClientSecretCredential {
	t.Helper()
	credential, err := azidentity.NewClientSecretCredential(
		setting(t, "CLIENTS_TENANT_ID"), clientID, secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: clientOptions(t), DisableInstanceDiscovery: true},
	)
	if err != nil {
		t.Fatal(err)
	}
	return credential
}

func adminCredential(t *testing.T) *azidentity.ClientSecretCredential {
	return secretCredential(t, setting(t, "CLIENTS_CLIENT_ID"), setting(t, "CLIENTS_CLIENT_SECRET"))
}

// graph is the core of the Graph client, which every generated client is a cover of.
type graph struct {
	t       *testing.T
	adapter *core.GraphRequestAdapterBase
}

func newGraph(t *testing.T, credential azcore.TokenCredential) graph {
	t.Helper()
	provider, err := azureauth.NewAzureIdentityAuthenticationProviderWithScopes(credential, []string{scope})
	if err != nil {
		t.Fatal(err)
	}
	adapter, err := core.NewGraphRequestAdapterBase(provider, core.GraphClientOptions{GraphServiceVersion: "v1.0"})
	if err != nil {
		t.Fatal(err)
	}
	adapter.SetBaseUrl(setting(t, "CLIENTS_AUTHORITY") + "/v1.0")
	return graph{t, adapter}
}

// try sends a request with the body, unless it is nil, and returns the answer's.
func (g graph) try(
	method abstractions.HttpMethod, template string, query map[string]any, body any,
) (map[string]any, error) {
	g.t.Helper()
	info := abstractions.NewRequestInformation()
	info.Method = method
	info.UrlTemplate = "{+baseurl}" + template
	info.PathParameters = map[string]string{"baseurl": g.adapter.GetBaseUrl()}
	if query != nil {
		info.QueryParametersAny = query
	}
	info.Headers.Add("Accept", "application/json")
	if body != nil {
		content, err := json.Marshal(body)
		if err != nil {
			g.t.Fatal(err)
		}
		info.SetStreamContentAndContentType(content, "application/json")
	}
	answer, err := g.adapter.SendPrimitive(context.Background(), info, "[]byte", nil)
	if err != nil {
		return nil, err
	}
	content, _ := answer.([]byte)
	if len(content) == 0 {
		return nil, nil
	}
	var document map[string]any
	if err := json.Unmarshal(content, &document); err != nil {
		g.t.Fatalf("%v: %s", err, content)
	}
	return document, nil
}

func (g graph) get(template string, query map[string]any) map[string]any {
	g.t.Helper()
	return g.must(g.try(abstractions.GET, template, query, nil))
}

func (g graph) post(path string, body any) map[string]any {
	g.t.Helper()
	return g.must(g.try(abstractions.POST, path, nil, body))
}

func (g graph) must(document map[string]any, err error) map[string]any {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
	return document
}

type workload struct{ appID, objectID, principalID, secret string }

func (g graph) newWorkload(name string) workload {
	g.t.Helper()
	application := g.post("/applications", map[string]any{
		"displayName": fmt.Sprintf("%s-%d", name, time.Now().UnixNano()),
		// Of this tenant alone: tokens that can be revoked are for no other.
		"signInAudience": "AzureADMyOrg",
	})
	principal := g.post("/servicePrincipals", map[string]any{"appId": application["appId"]})
	secret := g.post("/applications/"+application["id"].(string)+"/addPassword", map[string]any{})
	return workload{
		application["appId"].(string), application["id"].(string), principal["id"].(string),
		secret["secretText"].(string),
	}
}

func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var found map[string]any
	if err := json.Unmarshal(payload, &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func ask(t *testing.T, credential azcore.TokenCredential, options policy.TokenRequestOptions) map[string]any {
	t.Helper()
	if options.Scopes == nil {
		options.Scopes = []string{scope}
	}
	token, err := credential.GetToken(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	return claims(t, token.Token)
}

func refusal(t *testing.T, credential azcore.TokenCredential) *azidentity.AuthenticationFailedError {
	t.Helper()
	_, err := credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{scope}})
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) {
		t.Fatalf("not refused, but %v", err)
	}
	return failed
}

func TestTokenBySecret(t *testing.T) {
	client := newGraph(t, adminCredential(t)).newWorkload("secret")
	found := ask(t, secretCredential(t, client.appID, client.secret), policy.TokenRequestOptions{})
	if found["appid"] != client.appID || found["oid"] != client.principalID {
		t.Errorf("claims of somebody else: %v", found)
	}
}

func TestTokenForContinuousAccessEvaluation(t *testing.T) {
	client := newGraph(t, adminCredential(t)).newWorkload("cae")
	credential := secretCredential(t, client.appID, client.secret)
	if found := ask(t, credential, policy.TokenRequestOptions{EnableCAE: true}); found["xms_cc"] == nil {
		t.Errorf("no xms_cc: %v", found)
	}
}

func TestTokenByCertificate(t *testing.T) {
	admin := newGraph(t, adminCredential(t))
	client := admin.newWorkload("certificate")
	pem, err := os.ReadFile(setting(t, "CLIENTS_CERTIFICATE"))
	if err != nil {
		t.Fatal(err)
	}
	certificates, key, err := azidentity.ParseCertificates(pem, nil)
	if err != nil {
		t.Fatal(err)
	}
	admin.must(admin.try(abstractions.PATCH, "/applications/"+client.objectID, nil, map[string]any{
		"keyCredentials": []any{map[string]any{
			"type": "AsymmetricX509Cert", "usage": "Verify",
			"key": base64.StdEncoding.EncodeToString(certificates[0].Raw),
		}},
	}))
	for _, chain := range []bool{false, true} {
		credential, err := azidentity.NewClientCertificateCredential(
			setting(t, "CLIENTS_TENANT_ID"), client.appID, certificates, key,
			&azidentity.ClientCertificateCredentialOptions{
				ClientOptions: clientOptions(t), DisableInstanceDiscovery: true, SendCertificateChain: chain,
			},
		)
		if err != nil {
			t.Fatal(err)
		}
		if found := ask(t, credential, policy.TokenRequestOptions{}); found["appidacr"] != "2" {
			t.Errorf("chain %v: appidacr is %v", chain, found["appidacr"])
		}
	}
}

func TestWrongSecret(t *testing.T) {
	client := newGraph(t, adminCredential(t)).newWorkload("refused")
	failed := refusal(t, secretCredential(t, client.appID, "wrong"))
	if !strings.Contains(failed.Error(), "AADSTS7000215") {
		t.Errorf("no number in: %v", failed)
	}
	if failed.RawResponse == nil || failed.RawResponse.StatusCode != http.StatusUnauthorized {
		t.Errorf("not a 401: %v", failed.RawResponse)
	}
}

func TestUnknownApplication(t *testing.T) {
	failed := refusal(t, secretCredential(t, "11111111-2222-4333-8444-555555555555", "wrong"))
	if !strings.Contains(failed.Error(), "AADSTS700016") {
		t.Errorf("no number in: %v", failed)
	}
}

func TestRiskyServicePrincipals(t *testing.T) {
	admin := newGraph(t, adminCredential(t))
	client := admin.newWorkload("risky")
	risky := "/identityProtection/riskyServicePrincipals"
	admin.post(risky+"/confirmCompromised", map[string]any{"servicePrincipalIds": []string{client.principalID}})

	list := admin.get(risky+"{?%24filter,%24select,%24top}", map[string]any{
		"%24filter": "riskLevel eq 'high' and id eq '" + client.principalID + "'",
		"%24select": []string{"id", "riskState"},
		"%24top":    int32(5),
	})
	items := list["value"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["riskState"] != "confirmedCompromised" {
		t.Fatalf("listed: %v", items)
	}

	admin.post(risky+"/dismiss", map[string]any{"servicePrincipalIds": []string{client.principalID}})
	if found := admin.get(risky+"/"+client.principalID, nil); found["riskLevel"] != "none" {
		t.Errorf("after dismissing: %v", found)
	}
	history := admin.get(risky+"/"+client.principalID+"/history", nil)
	if items := history["value"].([]any); len(items) < 2 {
		t.Errorf("history: %v", items)
	}
}

func TestPages(t *testing.T) {
	admin := newGraph(t, adminCredential(t))
	for range 3 {
		admin.newWorkload("page")
	}
	found, page := map[any]bool{}, admin.get("/applications{?%24top}", map[string]any{"%24top": int32(2)})
	for {
		for _, item := range page["value"].([]any) {
			found[item.(map[string]any)["id"]] = true
		}
		next, isThere := page["@odata.nextLink"].(string)
		if !isThere {
			break
		}
		address, err := url.Parse(next)
		if err != nil {
			t.Fatal(err)
		}
		info := abstractions.NewRequestInformation()
		info.Method = abstractions.GET
		info.SetUri(*address)
		answer, err := admin.adapter.SendPrimitive(context.Background(), info, "[]byte", nil)
		if err != nil {
			t.Fatal(err)
		}
		page = nil
		if err := json.Unmarshal(answer.([]byte), &page); err != nil {
			t.Fatal(err)
		}
	}
	if len(found) < 3 {
		t.Errorf("only %d applications", len(found))
	}
}

func TestErrors(t *testing.T) {
	admin := newGraph(t, adminCredential(t))
	client := admin.newWorkload("nobody")
	nobody := newGraph(t, secretCredential(t, client.appID, client.secret))
	for _, attempt := range []struct {
		graph  graph
		path   string
		status int
	}{
		{admin, "/applications/11111111-2222-4333-8444-555555555555", http.StatusNotFound},
		{nobody, "/identityProtection/riskyServicePrincipals", http.StatusForbidden},
	} {
		_, err := attempt.graph.try(abstractions.GET, attempt.path, nil, nil)
		var failed abstractions.ApiErrorable
		if !errors.As(err, &failed) || failed.GetStatusCode() != attempt.status {
			t.Errorf("%s: %v instead of %d", attempt.path, err, attempt.status)
		}
	}
}
