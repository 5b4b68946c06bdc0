// google-auth-library-oauth2-http: application-default credentials. Built against Debian's packages.
import com.google.auth.oauth2.GoogleCredentials;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class GoogleAuth {
    public static void main(String[] arguments) throws Exception {
        GoogleCredentials credentials =
            GoogleCredentials.getApplicationDefault().createScoped("https://www.googleapis.com/auth/earthengine");
        HttpClient client = HttpClient.newHttpClient();
        URI url = URI.create(System.getenv("EARTH_ENGINE") + "/v1/projects/"
            + System.getenv("GOOGLE_CLOUD_PROJECT") + "/value:compute");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null;) {
            String expression = "{\"expression\":{\"result\":\"0\",\"values\":{\"0\":{\"constantValue\":"
                + (Integer.parseInt(line) + 1) + "}}}}";
            try {
                HttpRequest.Builder request = HttpRequest.newBuilder(url).header("Content-Type", "application/json");
                credentials.getRequestMetadata(url).forEach((name, values) ->
                    values.forEach(value -> request.header(name, value)));
                request.POST(HttpRequest.BodyPublishers.ofString(expression));
                HttpResponse<String> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
                System.out.println((answer.statusCode() == 200 ? "ok " : "error ") + answer.body().replace('\n', ' '));
            } catch (Exception error) {
                System.out.println("error " + error.toString().replace('\n', ' '));
            }
        }
    }
}
