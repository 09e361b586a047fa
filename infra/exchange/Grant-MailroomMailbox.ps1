<#
.SYNOPSIS
    Lets Mailroom send as single mailboxes: the mailbox-permission way.
.DESCRIPTION
    For tenants in which RBAC for applications cannot be used. The application needs the application
    permission SMTP.SendAsApp of "Office 365 Exchange Online" (not of Microsoft Graph) in Entra ID, with
    admin consent, and for returned mail over IMAP also IMAP.AccessAsApp. Here it gets FullAccess to
    each mailbox. That is more than sending needs: whoever has the application's credential can read
    these mailboxes. Do not use both ways at once.

    Run it as often as you like: what is there stays, and what is missing is granted.
.PARAMETER AppId
    Client id of the app registration.
.PARAMETER ServicePrincipalId
    Object id of the ENTERPRISE APPLICATION, not the app registration's.
.PARAMETER Mailbox
    The mailboxes that Mailroom signs in as.
.PARAMETER Imap
    Switches IMAP on for the mailboxes: returned mail is read that way (MAILROOM_RETURNED_MAIL=imap).
.EXAMPLE
    ./Grant-MailroomMailbox.ps1 -AppId … -ServicePrincipalId … -Mailbox billing@contoso.com -Imap -WhatIf
.LINK
    https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
#>
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'Medium')]
param(
    [Parameter(Mandatory)] [guid] $AppId,
    [Parameter(Mandatory)] [guid] $ServicePrincipalId,
    [Parameter(Mandatory)] [ValidateNotNullOrEmpty()] [string[]] $Mailbox,
    [switch] $Imap,
    [ValidateLength(1, 40)] [string] $Name = 'Mailroom'
)

. (Join-Path $PSScriptRoot 'ServicePrincipal.ps1')
Assert-ExchangeConnection

if (Get-ManagementRoleAssignment -Identity "$Name SMTP.SendAsApp" -ErrorAction SilentlyContinue) {
    throw "The application may already send by RBAC for applications. Use one way: Remove-MailroomAccess.ps1 takes that one back."
}

# 1. The application.
$null = Initialize-ServicePrincipal -AppId $AppId -ServicePrincipalId $ServicePrincipalId -DisplayName $Name

foreach ($address in $Mailbox) {
    # 2. FullAccess: Exchange Online asks for it before it lets an application submit.
    $granted = Get-MailboxPermission -Identity $address -User "$ServicePrincipalId" -ErrorAction SilentlyContinue |
        Where-Object { $_.AccessRights -contains 'FullAccess' -and -not $_.Deny }
    if (-not $granted -and $PSCmdlet.ShouldProcess($address, 'Add-MailboxPermission FullAccess')) {
        # Without AutoMapping: no person's Outlook is meant.
        $null = Add-MailboxPermission -Identity $address -User "$ServicePrincipalId" -AccessRights FullAccess -AutoMapping $false
    }

    # 3. IMAP.
    if ($Imap -and -not (Get-CASMailbox -Identity $address).ImapEnabled -and
        $PSCmdlet.ShouldProcess($address, 'Set-CASMailbox -ImapEnabled $true')) {
        Set-CASMailbox -Identity $address -ImapEnabled $true
    }
}

Write-Information 'Next: Set-MailroomMailbox.ps1 for each mailbox.' -InformationAction Continue
